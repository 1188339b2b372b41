using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Elements;

internal struct CastArgs<TElement> where TElement : unmanaged
{
    public ArrayView<TElement> Elements;
    public ArrayView<float> Floats;
}

/// <summary>Elements to float32.</summary>
internal readonly struct CastToFloat<TElement> : IKernel<CastArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(CastArgs<TElement> args)
    {
        long i = Threads.Linear();
        if (i < args.Floats.Length)
        {
            args.Floats[i] = TElement.ToFloat(args.Elements[i]);
        }
    }
}

/// <summary>float32 to elements, rounding to nearest even.</summary>
internal readonly struct CastFromFloat<TElement> : IKernel<CastArgs<TElement>> where TElement : unmanaged, IElement<TElement>
{
    public static void Run(CastArgs<TElement> args)
    {
        long i = Threads.Linear();
        if (i < args.Floats.Length)
        {
            args.Elements[i] = TElement.FromFloat(args.Floats[i]);
        }
    }
}
