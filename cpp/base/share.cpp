#include "base/share.h"

namespace fastbp {
namespace {

TeamChoice choice_for_all = TeamChoice::measured;

}  // namespace

void share_always(TeamChoice choice) { choice_for_all = choice; }
TeamChoice team_choice() { return choice_for_all; }
bool shares_always() { return team_choice() != TeamChoice::measured; }

}  // namespace fastbp
