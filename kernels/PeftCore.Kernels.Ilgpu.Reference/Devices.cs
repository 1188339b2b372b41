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

        public extern int NumMultiprocessors { get; }
        public extern int WarpSize { get; }

        public extern AcceleratorStream CreateStream();
        public extern void Bind();
        public extern void Synchronize();
    }

    public abstract class AcceleratorObject : DisposeBase
    {
        protected extern AcceleratorObject(Accelerator accelerator);

        protected abstract void DisposeAcceleratorObject(bool disposing);
    }

    public abstract class AcceleratorStream : AcceleratorObject
    {
        internal extern AcceleratorStream(Accelerator accelerator);

        public abstract void Synchronize();
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
