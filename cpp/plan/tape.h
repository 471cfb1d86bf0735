// The tape: what a plan executes. Built once from a graph by lower() (nodes to items), combine() (items to fewer),
// fuse() (items to stages), share_out() (stages to threads), place() (values to memory) and set_barriers(); run by
// Plan<T>. Nothing here depends on the element type.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "kernels/table.h"

namespace fastbp {

// What an item reads or writes: `width` elements per row, or in all without rows; always contiguous, row-major.
struct Value {
  enum class Place {
    unused,
    constant,
    parameter,  // storage: slot
    input,      // storage: slot
    arena,      // lives in the plan's arena at `offset`
    output,     // written for the caller: storage = number of the output
    local,      // lives for one tile of rows, in the scratch of the thread: slot `storage`
    unstored,   // a gradient that updates its weight in the product's tiles; stored only on demand (tail.cpp)
  };
  bool rows = false;
  Index width = 0;
  Place place = Place::unused;
  int storage = -1;
  Index offset = 0;  // elements
  int first_stage = -1, last_stage = -1;
  int measured = -1;      // read by the tail: the number under which its largest magnitude is noted
  bool in_block = false;  // arena and input: lives for one block of rows, in the block arena of the thread
  Index sum_offset = -1;  // a sum over rows inside the block loop: where each block's part of it lies
};

// An operand of a map: element (r, c) is at r*row_stride + c*col_stride of the value.
struct Operand {
  int value;
  Index row_stride, col_stride;
};

// One strided copy within a row (or within an array without rows).
struct Copy {
  std::vector<Index> sizes, in_strides, out_strides;
  Index in_offset = 0, out_offset = 0;
};

struct Item {
  enum class Kind {
    map,           // elementwise: Kernels::map
    row,           // one of Kernels' row functions over `lead` x `last` of every row
    move,          // strided copies: slices, concatenation, transposes, general broadcasts
    dropout,       //
    product,       // rule 1
    product_rows,  // rule 2
    over_rows,     // sum or max over rows
    flat,          // sum or max of `lead` runs of `last` elements, without rows
    first_max,     // of groups that span rows or scattered axes
  };
  Kind kind;
  Op op;
  std::vector<Operand> operands;
  int output = -1;
  Index lead = 1, last = 1;
  Index integer = 0;
  double number = 0;
  bool count_rows = false;              // divide_by_count: times the rows present
  bool per_batch = false;               // dropout: all rows of a batch drop the same elements
  Index exact = -1;                     // dropout: how many elements of a row are dropped, or -1: each by
  std::uint32_t threshold = 0;          // its 16 bits being below this one; `number` is the scale of the others
  std::vector<Copy> copies;             // move: one per operand
  bool zero_first = false;              // move: what no copy writes is +0
  Index m = 0, n = 0, k = 0;            // products; m or k is per row where the operand has rows
  bool transpose_a = false, transpose_b = false;
  Finish finish = Finish::none;         // product: with operand 2
  std::vector<Index> dims;              // first_max: the shape
  std::vector<bool> reduced;            // first_max: the axes that a group spans; [0] is the rows
};

// How the threads of a team share a stage. Each thread's part follows from the size of the team and the rows of the run
// alone, so that what one stage leaves with a thread another finds there; not in the loop over blocks (loop.cpp).
enum class Sharing {
  one,      // thread 0 does all of it
  rows,     // of the run; without rows, of the product's result
  columns,  // of the product's result, of the sum over rows, of a plain map: whole units (plain: kPlainUnit)
};
constexpr Index kPlainUnit = 64;

// Items that run together. Row programs and products' epilogues run tile by tile while the tile is in cache.
struct Stage {
  enum class Kind { plain, row, product, product_rows, over_rows, first_max };
  Kind kind;
  std::vector<int> items;      // a product comes first, the rest is its epilogue
  Sharing sharing = Sharing::one;
  int section = 0;             // what share_out put between the same two barriers
  bool asks_ahead = true;      // products: for the rows that will be gathered next
  bool by_columns = false;     // plain maps of one width: threads share the columns
  Index width = 0;             // by_columns, products: columns
  Index tile_elements = 0;     // capacity of one local slot where all have one width (epilogues, by_columns)
  Index tile_rows = 1;         // row programs
  std::vector<Index> slots;    // offset in scratch (elements) of every local slot
  Index scratch = 0;           // elements of scratch per thread
  std::vector<int> measured;   // those of its values that the tail reads
  double fixed_cost = 0;       // nanoseconds of one thread, a rough model
  double row_cost = 0;         // and per row
  bool is_product() const { return kind == Kind::product || kind == Kind::product_rows; }
};

struct Tape {
  std::vector<Value> values;
  std::vector<Item> items;
  std::vector<Stage> stages;
  std::vector<std::vector<double>> constants;  // by Value::storage
  std::vector<int> outputs;                    // values, in the order asked for
  std::vector<int> inputs;                     // value by input slot, -1 where it is not read
  Index arena = 0;                             // elements
  // Stages tail_begin .. are the products whose results are unstored. None needs another, nothing needs them.
  int tail_begin = 0;
  int measured = 0;  // values that they read
  bool in_loop(int stage) const { return stage >= loop_begin && stage < loop_end; }
  std::size_t tail_size() const { return stages.size() - static_cast<std::size_t>(tail_begin); }
  const Stage& tail(std::size_t k) const { return stages[static_cast<std::size_t>(tail_begin) + k]; }
  const Item& first_item(const Stage& stage) const { return items[static_cast<std::size_t>(stage.items.front())]; }
  // Stages loop_begin .. loop_end - 1 run one block of kRowBlock rows after another, so that a block's values are still
  // in cache when the next stage reads them; sums over rows are added up as rule 2 says. Empty: no such loop.
  int loop_begin = 0, loop_end = 0;
  Index block_arena = 0;  // elements per thread
  Index block_sums = 0;  // elements: all sums over rows of the loop
  Index scratch = 0;  // elements per thread, programs only
  int threads = 1;  // of the team that is worth it
  double cost = 0;  // of a run with max_rows, a guess in nanoseconds of one thread
  Index column_unit = 1;  // Sharing::columns of products and sums over rows
  std::vector<bool> barriers;  // by stage: whether the threads meet before it
  int lead_end = 0;  // stages before it are numbers alone: who calls a team together computes them first (Plan::begin)
};

// Whether the team and what it shares are chosen by what they cost, or (tests) all threads share every stage: products
// by rows, stages ordered by the barriers they wait for; or products by columns, stages as they came.
enum class TeamChoice { measured, always_rows, always_columns };

// Which outputs are gradients of weights that need not be stored, if that pays: their products make the step.
struct StepsInProducts {
  std::vector<bool> outputs;  // empty: none
  bool plain = true;  // the steps are plain SGD's
};

struct TapeRequest {
  const Graph* graph;
  std::vector<int> outputs;
  bool training;
  Index max_rows;
  Index element_bytes;
  Index block_bytes;  // what the loop over blocks may keep in cache of weights and sums over rows
  int threads;  // the most that may share a run
  Index column_unit;  // columns of a product's register tile, a multiple of 8
  double gather_cost;  // of a row, where threads share what is done to the rows as they are gathered; nanoseconds
  TeamChoice team = TeamChoice::measured;
  StepsInProducts steps;
};

Tape build_tape(const TapeRequest& request);

// The passes, in lowering.cpp, combine.cpp, fusion.cpp, sharing.cpp, memory.cpp and barriers.cpp.
void lower(const TapeRequest& request, Tape& tape);
void combine(const TapeRequest& request, Tape& tape);
void fuse(const TapeRequest& request, Tape& tape);
void share_out(const TapeRequest& request, Tape& tape);
void place(const TapeRequest& request, Tape& tape);
void set_barriers(const TapeRequest& request, Tape& tape);

}  // namespace fastbp
