// SPDX-License-Identifier: Apache-2.0
#include "train/tensor_memory.hpp"

#include <c10/core/CPUAllocator.h>
#include <pthread.h>

#include <cstring>
#include <mutex>
#include <string>

#include "base/log.hpp"

namespace msn {

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

#ifdef NDEBUG
constexpr bool kFill = kSanitized;
#else
constexpr bool kFill = true;
#endif

/// All bits set is NaN in every floating type.
constexpr int kNotANumber = 0xff;

/// Never destroyed: tensors of static objects are freed after it would be.
Arena& arena() {
  static auto& whole_process = *new Arena(kSanitized ? 0 : Arena::capacity_of_machine());
  return whole_process;
}

void release(void* block) {
  if (block != nullptr && !arena().release(block)) c10::GetDefaultCPUAllocator()->raw_deallocate(block);
}

class ArenaAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    void* block = nullptr;
    if (bytes > 0) {
      block = arena().allocate(bytes);
      if (block == nullptr) block = fall_back(bytes);
      if (kFill) std::memset(block, kNotANumber, bytes);
    }
    return {block, block, &release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }

 private:
  /// Throws if there is no memory.
  void* fall_back(std::size_t bytes) {
    std::call_once(told_, [&] {
      if (kSanitized) return;
      log::warn("a tensor of " + std::to_string(bytes) + " bytes does not fit into the arena of " +
                std::to_string(arena().capacity()) + " bytes; it and others come from the system, which is slower");
    });
    return c10::GetDefaultCPUAllocator()->raw_allocate(bytes);
  }

  std::once_flag told_;
};

}  // namespace

void use_arena_for_tensors() {
  static const bool installed = [] {
    arena();
    pthread_atfork([] { arena().mutex().lock(); }, [] { arena().mutex().unlock(); }, [] { arena().mutex().unlock(); });
    static auto& allocator = *new ArenaAllocator;  // Never destroyed, as the arena.
    c10::SetCPUAllocator(&allocator);
    return true;
  }();
  static_cast<void>(installed);
}

void reset_peak_of_tensor_memory() {
  arena().reset_peak();
}

ArenaUsage tensor_memory() {
  return arena().usage();
}

}  // namespace msn
