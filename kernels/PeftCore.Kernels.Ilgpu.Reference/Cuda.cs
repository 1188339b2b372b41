using System;
using System.Diagnostics.CodeAnalysis;

namespace ILGPU.Runtime.Cuda
{
    public readonly struct CudaArchitecture
    {
        public static readonly CudaArchitecture SM_80;
        public static readonly CudaArchitecture SM_90;
    }

    public readonly struct CudaInstructionSet
    {
        public static readonly CudaInstructionSet ISA_80;
    }

    public sealed class NvvmAPI
    {
        private NvvmAPI() { }
    }

    public sealed class CudaDevice : Device
    {
        private CudaDevice() { }

        public extern CudaArchitecture? Architecture { get; }

        public override extern Accelerator CreateAccelerator(Context context);
    }

    public static class CudaContextExtensions
    {
        public static extern Context.Builder Cuda(this Context.Builder builder);
    }

    public enum CudaError
    {
        CUDA_SUCCESS = 0,
        CUDA_ERROR_OUT_OF_MEMORY = 2,
    }

    public sealed class CudaAPI
    {
        private CudaAPI() { }

        public static extern CudaAPI CurrentAPI { get; }

        public extern CudaError AllocateMemory(out IntPtr devicePtr, IntPtr bytesize);
        public extern CudaError FreeMemory(IntPtr devicePtr);
        public extern CudaError AllocateHostMemory(out IntPtr hostPtr, IntPtr bytesize);
        public extern CudaError FreeHostMemory(IntPtr hostPtr);
        public extern CudaError GetMemoryInfo(out long free, out long total);
        public extern CudaError MemcpyAsync(IntPtr destination, IntPtr source, IntPtr length, [AllowNull] AcceleratorStream stream);
        public extern CudaError Memset(IntPtr destinationDevice, byte value, IntPtr length, [AllowNull] AcceleratorStream stream);
    }
}
