// From StableHLO or HLO to an executable, and what can be asked about it.
#pragma once

namespace {

PJRT_Error* ClientCompile(PJRT_Client_Compile_Args* a) {
  const SessionPtr& session = a->client->session;
  xla::CompileOptionsProto proto;
  if (!proto.ParseFromArray(a->compile_options, static_cast<int>(a->compile_options_size)))
    return Fail(absl::InvalidArgumentError("cannot parse the CompileOptionsProto"));
  SHIM_ASSIGN(xla::CompileOptions options, xla::CompileOptions::FromProto(proto));
  options.allow_in_place_mlir_modification = true;

  auto program = std::make_shared<Program>();
  program->session = session;
  program->portable = options.compile_portable_executable;
  absl::string_view format(a->program->format, a->program->format_size);
  absl::string_view code(a->program->code, a->program->code_size);
  if (format == "mlir") {
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    SHIM_ASSIGN(mlir::OwningOpRef<mlir::ModuleOp> module, xla::ParseMlirModuleString(code, context));
    SHIM_ASSIGN(program->exec, session->client->CompileAndLoad(module.get(), std::move(options)));
  } else if (format == "hlo") {
    xla::HloModuleProto hlo;
    if (!hlo.ParseFromArray(code.data(), static_cast<int>(code.size())))
      return Fail(absl::InvalidArgumentError("cannot parse the HloModuleProto"));
    SHIM_ASSIGN(program->exec,
                session->client->CompileAndLoad(xla::XlaComputation(std::move(hlo)), std::move(options)));
  } else {
    return Fail(absl::UnimplementedError("unsupported program format: " + std::string(format)));
  }
  program->name = std::string(program->exec->name());
  SHIM_ASSIGN(std::vector<xla::Shape> shapes, program->exec->GetOutputShapes());
  if (shapes.empty()) return Fail(absl::InternalError("the executable has no output shape"));
  program->num_outputs = shapes[0].IsTuple() ? shapes[0].tuple_shapes().size() : 1;
  a->executable = new PJRT_LoadedExecutable{std::move(program)};
  return nullptr;
}

PJRT_Error* LoadedDestroy(PJRT_LoadedExecutable_Destroy_Args* a) {
  delete a->executable;
  return nullptr;
}
PJRT_Error* LoadedGetExecutable(PJRT_LoadedExecutable_GetExecutable_Args* a) {
  a->executable = new PJRT_Executable{a->loaded_executable->program};
  return nullptr;
}
PJRT_Error* ExecutableDestroy(PJRT_Executable_Destroy_Args* a) {
  delete a->executable;
  return nullptr;
}
PJRT_Error* ExecutableName(PJRT_Executable_Name_Args* a) {
  a->executable_name = a->executable->program->name.data();
  a->executable_name_size = a->executable->program->name.size();
  return nullptr;
}
PJRT_Error* ExecutableNumOutputs(PJRT_Executable_NumOutputs_Args* a) {
  a->num_outputs = a->executable->program->num_outputs;
  return nullptr;
}
PJRT_Error* ExecutableNumReplicas(PJRT_Executable_NumReplicas_Args* a) {
  a->num_replicas = a->executable->program->exec->num_replicas();
  return nullptr;
}
PJRT_Error* ExecutableNumPartitions(PJRT_Executable_NumPartitions_Args* a) {
  a->num_partitions = a->executable->program->exec->num_partitions();
  return nullptr;
}
PJRT_Error* ExecutableMemoryStats(PJRT_Executable_GetCompiledMemoryStats_Args* a) {
  SHIM_ASSIGN(xla::CompiledMemoryStats m, a->executable->program->exec->GetCompiledMemoryStats());
  a->generated_code_size_in_bytes = m.generated_code_size_in_bytes;
  a->argument_size_in_bytes = m.argument_size_in_bytes;
  a->output_size_in_bytes = m.output_size_in_bytes;
  a->alias_size_in_bytes = m.alias_size_in_bytes;
  a->temp_size_in_bytes = m.temp_size_in_bytes;
  a->host_generated_code_size_in_bytes = m.host_generated_code_size_in_bytes;
  a->host_argument_size_in_bytes = m.host_argument_size_in_bytes;
  a->host_output_size_in_bytes = m.host_output_size_in_bytes;
  a->host_alias_size_in_bytes = m.host_alias_size_in_bytes;
  a->host_temp_size_in_bytes = m.host_temp_size_in_bytes;
  a->peak_memory_in_bytes = m.peak_memory_in_bytes;
  a->total_size_in_bytes = m.total_size_in_bytes;
  return nullptr;
}

}  // namespace
