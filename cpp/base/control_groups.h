// The control groups that limit this process.
#pragma once

#include <functional>
#include <string>

namespace fastbp {

// Which files a group's folder has.
enum class GroupVersion { v1, v2 };

// Calls `look` for the folder of every group of this process that has the controller ("cpu", "memory"), and for those
// of its ancestors: the smallest of their limits counts. A folder may not exist. root: where "/" is, for tests.
void look_at_groups(const std::string& root, const std::string& controller,
                    const std::function<void(GroupVersion version, const std::string& folder)>& look);

}  // namespace fastbp
