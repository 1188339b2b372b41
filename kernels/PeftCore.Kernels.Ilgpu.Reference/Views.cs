using ILGPU.Runtime;
using ILGPU.Util;

namespace ILGPU
{
    public interface IIndex
    {
    }

    public readonly struct Index1D : IIndex
    {
        public static extern implicit operator Index1D(int idx);
        public static extern implicit operator int(Index1D idx);
    }

    public interface IStride1D
    {
    }

    public static class Stride1D
    {
        public readonly struct Dense : IStride1D
        {
        }
    }

    public readonly struct ArrayView<T>
        where T : unmanaged
    {
        public extern long Length { get; }
        public extern int IntLength { get; }
        public extern ref T this[Index1D index] { get; }
    }
}

namespace ILGPU.Runtime
{
    public readonly struct ArrayView1D<T, TStride>
        where T : unmanaged
        where TStride : struct, IStride1D
    {
        public static extern implicit operator ArrayView<T>(ArrayView1D<T, TStride> view);
    }

    public class MemoryBuffer1D<T, TStride> : DisposeBase
        where T : unmanaged
        where TStride : struct, IStride1D
    {
        internal MemoryBuffer1D() { }

        public extern ArrayView1D<T, TStride> View { get; }
    }

    public static class ArrayViewExtensions
    {
        public static extern MemoryBuffer1D<T, Stride1D.Dense> Allocate1D<T>(this Accelerator accelerator, T[] data)
            where T : unmanaged;

        public static extern T[] GetAsArray1D<T>(this MemoryBuffer1D<T, Stride1D.Dense> buffer)
            where T : unmanaged;
    }
}
