// A system that refuses threads: of those made by pthread_create no more than MOST_THREADS live at a time.
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <atomic>

namespace {

std::atomic<int> living{0};

struct Start {
  void* (*routine)(void*);
  void* argument;
};

void* run(void* of) {
  const Start start = *static_cast<Start*>(of);
  delete static_cast<Start*>(of);
  void* const result = start.routine(start.argument);
  living.fetch_sub(1);
  return result;
}

}  // namespace

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*routine)(void*),
                              void* argument) {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const Create create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  const char* most = getenv("MOST_THREADS");
  if (living.fetch_add(1) >= (most == nullptr ? 1 << 30 : atoi(most))) {
    living.fetch_sub(1);
    return EAGAIN;
  }
  const int result = create(thread, attributes, run, new Start{routine, argument});
  if (result != 0) living.fetch_sub(1);
  return result;
}
