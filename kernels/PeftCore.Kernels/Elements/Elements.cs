using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>Conversions between stored elements and float32, on all threads.</summary>
internal static unsafe class Elements
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(ElementType type) => type == ElementType.F32 ? 4 : 2;

    /// <summary>y = x in float32, exactly.</summary>
    public static void ToFloat(ReadOnlySpan<byte> x, ElementType type, Span<float> y, WorkerPool pool)
    {
        int count = x.Length / Size(type);
        Sizes.AtLeast<float>(y, count);
        fixed (byte* px = x)
        fixed (float* py = y)
        {
            Ranges.For(count, new ToFloatBody(px, type, py), pool);
        }
    }

    /// <summary>y = x in the element type, rounded to nearest, ties to even. NaN stays NaN; what is too large for half precision becomes
    /// infinite.</summary>
    public static void FromFloat(ReadOnlySpan<float> x, Span<byte> y, ElementType type, WorkerPool pool)
    {
        Sizes.AtLeast<byte>(y, (long)x.Length * Size(type));
        fixed (float* px = x)
        fixed (byte* py = y)
        {
            Ranges.For(x.Length, new FromFloatBody(px, py, type), pool);
        }
    }

    /// <summary>Converts a run of elements to float32 on the calling thread.</summary>
    public static void ToFloat(byte* x, ElementType type, float* y, int count) =>
        ElementDispatch.Run(type, new ToFloatAction(x, y, count));

    private readonly struct ToFloatAction(byte* x, float* y, int count) : IElementAction
    {
        private readonly byte* _x = x;
        private readonly float* _y = y;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<TElement>()
            where TElement : struct, IElement
        {
            if (typeof(TElement) == typeof(Float32Element))
            {
                Buffer.MemoryCopy(_x, _y, (long)count * sizeof(float), (long)count * sizeof(float));
                return;
            }

            int i = 0;
            for (; i <= count - 8; i += 8)
            {
                TElement.Load8(_x + ((nint)i * TElement.Size)).Store(_y + i);
            }

            for (; i < count; i++)
            {
                _y[i] = TElement.Load(_x + ((nint)i * TElement.Size));
            }
        }
    }

    private readonly struct FromFloatAction(float* x, byte* y, int count) : IElementAction
    {
        private readonly float* _x = x;
        private readonly byte* _y = y;

        public void Run<TElement>()
            where TElement : struct, IElement => TElement.FromFloat(_x, _y, count);
    }

    private readonly struct ToFloatBody(byte* x, ElementType type, float* y) : IRangeBody
    {
        private readonly byte* _x = x;
        private readonly float* _y = y;

        public void Run(int start, int count) => ToFloat(_x + ((long)start * Size(type)), type, _y + start, count);
    }

    private readonly struct FromFloatBody(float* x, byte* y, ElementType type) : IRangeBody
    {
        private readonly float* _x = x;
        private readonly byte* _y = y;

        public void Run(int start, int count) =>
            ElementDispatch.Run(type, new FromFloatAction(_x + start, _y + ((long)start * Size(type)), count));
    }
}
