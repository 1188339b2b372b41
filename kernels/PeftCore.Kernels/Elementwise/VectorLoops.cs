using System.Runtime.CompilerServices;
using System.Numerics;

namespace PeftCore.Kernels;

/// <summary>A function of one vector, which may have parameters.</summary>
internal interface IVectorMap
{
    Vector<float> Apply(Vector<float> x);
}

/// <summary>A function of two vectors.</summary>
internal interface IVectorZip
{
    Vector<float> Apply(Vector<float> a, Vector<float> b);
}

/// <summary>The way of storing a result: it overwrites the output or is added to it.</summary>
internal interface IStore
{
    static abstract Vector<float> Combine(Vector<float> old, Vector<float> value);

    /// <summary>Whether the old value is read. An overwritten output may be uninitialized.</summary>
    static abstract bool Reads { get; }
}

internal readonly struct Overwrite : IStore
{
    public static bool Reads => false;

    public static Vector<float> Combine(Vector<float> old, Vector<float> value) => value;
}

internal readonly struct Accumulate : IStore
{
    public static bool Reads => true;

    public static Vector<float> Combine(Vector<float> old, Vector<float> value) => old + value;
}

/// <summary>
/// Loops over elements. The last elements use the vector form too, on a partial vector, so that a result does not depend on the position of
/// an element in its block.
/// </summary>
internal static unsafe class VectorLoops
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Map<TMap, TStore>(TMap map, float* x, float* y, int count)
        where TMap : struct, IVectorMap
        where TStore : struct, IStore
    {
        int width = Simd.Width, i = 0;
        for (; i <= count - width; i += width)
        {
            var value = map.Apply(Vector.Load(x + i));
            (TStore.Reads ? TStore.Combine(Vector.Load(y + i), value) : value).Store(y + i);
        }

        if (i < count)
        {
            int rest = count - i;
            var value = map.Apply(Simd.LoadPart(x + i, rest));
            Simd.StorePart(TStore.Reads ? TStore.Combine(Simd.LoadPart(y + i, rest), value) : value, y + i, rest);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Zip<TZip, TStore>(TZip zip, float* a, float* b, float* y, int count)
        where TZip : struct, IVectorZip
        where TStore : struct, IStore
    {
        int width = Simd.Width, i = 0;
        for (; i <= count - width; i += width)
        {
            var value = zip.Apply(Vector.Load(a + i), Vector.Load(b + i));
            (TStore.Reads ? TStore.Combine(Vector.Load(y + i), value) : value).Store(y + i);
        }

        if (i < count)
        {
            int rest = count - i;
            var value = zip.Apply(Simd.LoadPart(a + i, rest), Simd.LoadPart(b + i, rest));
            Simd.StorePart(TStore.Reads ? TStore.Combine(Simd.LoadPart(y + i, rest), value) : value, y + i, rest);
        }
    }

    /// <summary>y[i] += step·(start + i).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Ramp(float* y, int start, float step, int count)
    {
        int width = Simd.Width, i = 0;
        Vector<float> factor = new(step);
        for (; i <= count - width; i += width)
        {
            var numbers = Vector<float>.Indices + new Vector<float>(start + i);
            VectorMath.MultiplyAdd(numbers, factor, Vector.Load(y + i)).Store(y + i);
        }

        for (; i < count; i++)
        {
            y[i] += step * (start + i);
        }
    }
}
