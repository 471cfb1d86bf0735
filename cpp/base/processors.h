// How many processors this process may use.
#pragma once

namespace fastbp {

// The affinity mask, cut down to the CPU quota of the control group, at least 1.
int available_processors();

}  // namespace fastbp
