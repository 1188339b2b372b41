using ILGPU.Util;

namespace ILGPU.Runtime
{
    public abstract class Device
    {
        internal Device() { }

        public extern string Name { get; protected set; }
        public extern long MemorySize { get; protected set; }

        public abstract Accelerator CreateAccelerator(Context context);
    }

    public abstract class Accelerator : DisposeBase
    {
        internal Accelerator() { }

        public extern void Synchronize();
    }
}

namespace ILGPU.Runtime.CPU
{
    public sealed class CPUDevice : Device
    {
        private CPUDevice() { }

        public static readonly CPUDevice Default;

        public override extern Accelerator CreateAccelerator(Context context);
    }

    public static class CPUContextExtensions
    {
        public static extern Context.Builder CPU(this Context.Builder builder, CPUDevice device);
    }
}

namespace ILGPU.Runtime.Cuda
{
    public readonly struct CudaArchitecture
    {
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
}
