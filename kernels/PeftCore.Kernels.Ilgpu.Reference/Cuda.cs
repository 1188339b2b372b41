using System;
using System.Diagnostics.CodeAnalysis;

namespace ILGPU.Runtime.Cuda
{
    public readonly struct CudaArchitecture
    {
        public extern int Major { get; }
        public extern int Minor { get; }
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

    public sealed class CudaAccelerator : Accelerator
    {
        private CudaAccelerator() { }

        public extern CudaArchitecture Architecture { get; }
    }

    public sealed class CudaStream : AcceleratorStream
    {
        private extern CudaStream();

        public extern IntPtr StreamPtr { get; }

        public override extern void Synchronize();

        protected override extern void DisposeAcceleratorObject(bool disposing);
    }

    public static class CudaAsm
    {
        public static extern void Emit(string asm);

        public static extern void Emit<T0>(string asm, T0 arg0)
            where T0 : struct;

        public static extern void Emit<T0, T1>(string asm, T0 arg0, T1 arg1)
            where T0 : struct
            where T1 : struct;

        public static extern void Emit<T0, T1, T2>(string asm, T0 arg0, T1 arg1, T2 arg2)
            where T0 : struct
            where T1 : struct
            where T2 : struct;

        public static extern void Emit<T0, T1, T2, T3>(string asm, T0 arg0, T1 arg1, T2 arg2, T3 arg3)
            where T0 : struct
            where T1 : struct
            where T2 : struct
            where T3 : struct;

        public static extern void Emit<T0, T1, T2, T3, T4>(string asm, T0 arg0, T1 arg1, T2 arg2, T3 arg3, T4 arg4)
            where T0 : struct
            where T1 : struct
            where T2 : struct
            where T3 : struct
            where T4 : struct;

        public static extern void Emit<T0, T1, T2, T3, T4, T5>(string asm, T0 arg0, T1 arg1, T2 arg2, T3 arg3, T4 arg4, T5 arg5)
            where T0 : struct
            where T1 : struct
            where T2 : struct
            where T3 : struct
            where T4 : struct
            where T5 : struct;

        public static extern void Emit<T0, T1, T2, T3, T4, T5, T6>(string asm, T0 arg0, T1 arg1, T2 arg2, T3 arg3, T4 arg4, T5 arg5, T6 arg6)
            where T0 : struct
            where T1 : struct
            where T2 : struct
            where T3 : struct
            where T4 : struct
            where T5 : struct
            where T6 : struct;

        public static extern void Emit<T0, T1, T2, T3, T4, T5, T6, T7>(
            string asm, T0 arg0, T1 arg1, T2 arg2, T3 arg3, T4 arg4, T5 arg5, T6 arg6, T7 arg7)
            where T0 : struct
            where T1 : struct
            where T2 : struct
            where T3 : struct
            where T4 : struct
            where T5 : struct
            where T6 : struct
            where T7 : struct;
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
        public extern CudaError LoadModule(out IntPtr kernelModule, string moduleData, out string errorLog);
        public extern CudaError GetModuleFunction(out IntPtr kernelFunction, IntPtr kernelModule, string functionName);
        public extern CudaError LaunchKernel(
            IntPtr kernelFunction, int gridDimX, int gridDimY, int gridDimZ, int blockDimX, int blockDimY, int blockDimZ,
            int sharedMemSizeInBytes, IntPtr stream, IntPtr args, IntPtr kernelArgs);
        public extern CudaError Memset(IntPtr destinationDevice, byte value, IntPtr length, [AllowNull] AcceleratorStream stream);
    }
}
