// How many processors this process may use.
#pragma once

#include <string>

namespace fastbp {

// The affinity mask, cut down to the CPU quota of the control group, at least 1.
int available_processors();

// The quota alone, in processors; infinity if there is none. root: where "/" is, for tests.
double processors_by_quota(const std::string& root);

}  // namespace fastbp
