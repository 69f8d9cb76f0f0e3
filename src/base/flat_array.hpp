// SPDX-License-Identifier: Apache-2.0
// Arrays in memory that somebody else may provide: pinned, say, so that a GPU copies from it by itself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory_resource>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>

namespace msn {

/// Elements in a row, without first values. The memory comes from a resource, which must outlive it, serves again, and
/// goes along when the array is moved.
template <class T>
class FlatArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit FlatArray(std::pmr::memory_resource* memory = std::pmr::new_delete_resource()) : memory_(memory) {}
  FlatArray(FlatArray&& other) noexcept { swap(other); }
  FlatArray& operator=(FlatArray&& other) noexcept {
    FlatArray(std::move(other)).swap(*this);
    return *this;
  }
  ~FlatArray() {
    if (data_ != nullptr) memory_->deallocate(data_, capacity_ * sizeof(T), alignment);
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

  void clear() { size_ = 0; }
  /// Elements that were there keep their values, others hold anything.
  void resize(std::size_t size) {
    if (size > capacity_) {
      FlatArray larger(memory_);
      // Batches differ a little in size, but many arrays never grow.
      larger.capacity_ = capacity_ == 0 ? size : size + size / 4;
      larger.data_ = static_cast<T*>(memory_->allocate(larger.capacity_ * sizeof(T), alignment));
      std::copy_n(data_, size_, larger.data_);
      swap(larger);
    }
    size_ = size;
  }
  /// Returns where the first of them stands.
  std::size_t append(std::span<const T> more) {
    const std::size_t first = size_;
    resize(size_ + more.size());
    std::copy(more.begin(), more.end(), data_ + first);
    return first;
  }

  template <std::ranges::contiguous_range Range>
  bool operator==(const Range& other) const {
    return std::ranges::equal(*this, other);
  }

 private:
  static constexpr std::size_t alignment = 64;

  void swap(FlatArray& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  std::pmr::memory_resource* memory_ = std::pmr::new_delete_resource();
  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace msn
