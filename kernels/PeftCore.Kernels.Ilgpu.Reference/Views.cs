using ILGPU.Runtime;

namespace ILGPU
{
    public readonly struct ArrayView<T>
        where T : unmanaged
    {
        public extern ArrayView(MemoryBuffer source, long index, long length);

        public extern long Length { get; }
        public extern ref T this[int index] { get; }
        public extern ref T this[long index] { get; }

        public extern ArrayView<T> SubView(int index, int subViewLength);
        public extern ArrayView<TOther> Cast<TOther>() where TOther : unmanaged;
    }
}

namespace ILGPU.Runtime
{
    public abstract class MemoryBuffer : AcceleratorObject
    {
        protected extern MemoryBuffer(Accelerator accelerator, long length, int elementSize);

        protected internal abstract void MemSet(AcceleratorStream stream, byte value, in ArrayView<byte> targetView);
        protected internal abstract void CopyTo(AcceleratorStream stream, in ArrayView<byte> sourceView, in ArrayView<byte> targetView);
        protected internal abstract void CopyFrom(AcceleratorStream stream, in ArrayView<byte> sourceView, in ArrayView<byte> targetView);
    }
}
