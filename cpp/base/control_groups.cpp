#include "base/control_groups.h"

#include <fstream>

namespace fastbp {

namespace {

// From the group up to the mount. Inside a container `group` may name a folder of the host that does not exist there;
// its ancestors still count.
void climb(GroupVersion version, const std::string& mount, std::string group,
           const std::function<void(GroupVersion version, const std::string& folder)>& look) {
  for (;;) {
    look(version, mount + group);
    const std::size_t slash = group.rfind('/');
    if (slash == std::string::npos) return;
    group.resize(slash);
  }
}

}  // namespace

void look_at_groups(const std::string& root, const std::string& controller,
                    const std::function<void(GroupVersion version, const std::string& folder)>& look) {
  const std::string mount = root + "/sys/fs/cgroup";
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "hierarchy:controllers:/group"; version 2 names none
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      climb(GroupVersion::v2, mount, group, look);
    } else if (("," + controllers + ",").find("," + controller + ",") != std::string::npos) {
      climb(GroupVersion::v1, mount + "/" + controllers, group, look);  // "cpu,cpuacct"
      if (controllers != controller) climb(GroupVersion::v1, mount + "/" + controller, group, look);
    }
  }
}

}  // namespace fastbp
