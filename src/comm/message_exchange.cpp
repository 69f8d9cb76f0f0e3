// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <climits>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "comm/add_parts.hpp"
#include "comm/exchange.hpp"

namespace msn {

namespace {

/// Only moved, never added by MPI.
MPI_Datatype mpi_type(Scalar scalar) {
  switch (scalar) {
    case Scalar::f32:
      return MPI_FLOAT;
    case Scalar::f64:
      return MPI_DOUBLE;
    case Scalar::bf16:
      return MPI_UINT16_T;
  }
  return MPI_DATATYPE_NULL;
}

std::size_t bytes_of(Scalar scalar) {
  constexpr std::size_t bytes[] = {sizeof(float), sizeof(double), sizeof(kernels::Bf16)};
  return bytes[static_cast<std::size_t>(scalar)];
}

class MessageExchange : public Exchange {
 public:
  MessageExchange(const World& world, ExchangeSizes sizes)
      : rank_(static_cast<std::size_t>(world.rank())),
        ranks_(static_cast<std::size_t>(world.size())),
        gather_bytes_(sizes.gather_bytes),
        piece_bytes_(sizes.piece_bytes == 0 ? std::size_t{8} << 20 : sizes.piece_bytes),
        hosts_(world.gather(world.host())),
        calls_(ranks_),
        counts_(ranks_),
        starts_(ranks_),
        received_(ranks_),
        places_(ranks_) {
    MSN_CHECK(piece_bytes_ >= sizeof(double) && piece_bytes_ <= INT_MAX / 2 && gather_bytes_ <= INT_MAX);
    MSN_CHECK_MPI(MPI_Comm_dup(world.comm(), &comm_));
    MSN_CHECK_MPI(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
  }

  void sum(const Call& call, std::span<float> values, const Pause& pause) override { sum_values(call, values, pause); }
  void sum(const Call& call, std::span<double> values, const Pause& pause) override { sum_values(call, values, pause); }
  void sum(const Call& call, std::span<kernels::Bf16> values, const Pause& pause) override {
    sum_values(call, values, pause);
  }

  void gather(const Call& call, std::span<const std::byte> mine, std::span<std::byte> all,
              const Pause& pause) override {
    MSN_CHECK(all.size() == ranks_ * mine.size());
    compare(call, pause);
    const std::size_t scalar = bytes_of(call.scalar);
    MSN_CHECK(mine.size() / scalar <= INT_MAX);  // On every rank alike.
    const int count = static_cast<int>(mine.size() / scalar);
    const MPI_Datatype type = mpi_type(call.scalar);
    MPI_Request request = MPI_REQUEST_NULL;
    MSN_CHECK_MPI(MPI_Iallgather(mine.data(), count, type, all.data(), count, type, comm_, &request));
    finish(request, pause);
  }

  void free() override { MSN_CHECK_MPI(MPI_Comm_free(&comm_)); }

 private:
  void compare(const Call& call, const Pause& pause) {
    mine_ = call;
    MPI_Request request = MPI_REQUEST_NULL;
    MSN_CHECK_MPI(
        MPI_Iallgather(&mine_, sizeof mine_, MPI_BYTE, calls_.data(), sizeof mine_, MPI_BYTE, comm_, &request));
    finish(request, pause);
    check_calls(calls_, hosts_);
  }

  static void finish(MPI_Request& request, const Pause& pause) {
    for (int looks = 0;; ++looks) {
      int done = 0;
      MSN_CHECK_MPI(MPI_Test(&request, &done, MPI_STATUS_IGNORE));
      if (done != 0) return;
      pause(looks);
    }
  }

  template <class T>
  void sum_values(const Call& call, std::span<T> values, const Pause& pause) {
    compare(call, pause);
    if (values.empty()) return;
    if (values.size_bytes() <= gather_bytes_) return sum_by_gather(values, pause);
    const std::size_t piece = piece_bytes_ / sizeof(T);
    for (std::size_t begin = 0; begin < values.size(); begin += piece)
      sum_by_slices(values.subspan(begin, std::min(piece, values.size() - begin)), pause);
  }

  template <class T>
  void sum_by_gather(std::span<T> values, const Pause& pause) {
    T* parts = buffer<T>(ranks_ * values.size());
    const int count = static_cast<int>(values.size());
    MPI_Request request = MPI_REQUEST_NULL;
    const MPI_Datatype type = mpi_type(scalar_of<T>());
    MSN_CHECK_MPI(MPI_Iallgather(values.data(), count, type, parts, count, type, comm_, &request));
    finish(request, pause);
    add(parts, values);
  }

  template <class T>
  void sum_by_slices(std::span<T> values, const Pause& pause) {
    for (std::size_t rank = 0; rank < ranks_; ++rank) {
      const std::size_t begin = values.size() * rank / ranks_;
      starts_[rank] = static_cast<int>(begin);
      counts_[rank] = static_cast<int>(values.size() * (rank + 1) / ranks_ - begin);
    }
    const auto mine =
        values.subspan(static_cast<std::size_t>(starts_[rank_]), static_cast<std::size_t>(counts_[rank_]));
    for (std::size_t rank = 0; rank < ranks_; ++rank) {
      received_[rank] = counts_[rank_];
      places_[rank] = static_cast<int>(rank) * counts_[rank_];
    }
    T* parts = buffer<T>(ranks_ * mine.size());
    MPI_Request request = MPI_REQUEST_NULL;
    const MPI_Datatype type = mpi_type(scalar_of<T>());
    MSN_CHECK_MPI(MPI_Ialltoallv(values.data(), counts_.data(), starts_.data(), type, parts, received_.data(),
                                 places_.data(), type, comm_, &request));
    finish(request, pause);
    add(parts, mine);
    MSN_CHECK_MPI(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, values.data(), counts_.data(), starts_.data(),
                                  type, comm_, &request));
    finish(request, pause);
  }

  /// Part r begins at parts + r * out.size().
  template <class T>
  void add(const T* parts, std::span<T> out) const {
    std::vector<const T*> each;
    for (std::size_t rank = 0; rank < ranks_; ++rank)
      each.push_back(parts + rank * out.size());
    add_parts<T>(each, out);
  }

  template <class T>
  T* buffer(std::size_t count) {
    if (buffer_bytes_ < count * sizeof(T)) {
      buffer_bytes_ = count * sizeof(T);
      buffer_ = std::make_unique_for_overwrite<double[]>(buffer_bytes_ / sizeof(double) + 1);
    }
    return reinterpret_cast<T*>(buffer_.get());
  }

  const std::size_t rank_;
  const std::size_t ranks_;
  const std::size_t gather_bytes_;
  const std::size_t piece_bytes_;
  const std::vector<std::string> hosts_;
  MPI_Comm comm_ = MPI_COMM_NULL;
  Call mine_;
  std::vector<Call> calls_;
  std::vector<int> counts_, starts_, received_, places_;
  std::unique_ptr<double[]> buffer_;
  std::size_t buffer_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Exchange> make_message_exchange(const World& world, ExchangeSizes sizes) {
  return std::make_unique<MessageExchange>(world, sizes);
}

}  // namespace msn
