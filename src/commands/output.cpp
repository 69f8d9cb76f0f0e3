// SPDX-License-Identifier: Apache-2.0
#include "commands/output.hpp"

#include "base/error.hpp"
#include "base/files.hpp"

namespace msn {

void write_output(const std::filesystem::path& file, std::string_view bytes) {
  try {
    write_durably(file, bytes);
  } catch (const Error& error) {
    throw data_error("cannot write the output: " + error.problem(), file.string(),
                     "name a file in a folder that exists and that you may write to");
  }
}

}  // namespace msn
