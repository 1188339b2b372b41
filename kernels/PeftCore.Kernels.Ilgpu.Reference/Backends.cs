using System.Reflection;
using ILGPU.Backends.EntryPoints;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Util;

namespace ILGPU.Backends
{
    public abstract class Backend : DisposeBase
    {
        internal Backend() { }

        public extern CompiledKernel Compile(in EntryPointDescription entry, in KernelSpecialization specialization);
    }

    public abstract class CompiledKernel
    {
        internal CompiledKernel() { }
    }
}

namespace ILGPU.Backends.EntryPoints
{
    public readonly struct EntryPointDescription
    {
        public static extern EntryPointDescription FromExplicitlyGroupedKernel(MethodInfo methodSource);
    }
}

namespace ILGPU.Backends.PTX
{
    public sealed class PTXBackend : Backend
    {
        public extern PTXBackend(Context context, CudaArchitecture architecture, CudaInstructionSet instructionSet, NvvmAPI nvvmAPI);
    }

    public sealed class PTXCompiledKernel : CompiledKernel
    {
        private PTXCompiledKernel() { }

        public extern string PTXAssembly { get; }
    }
}
