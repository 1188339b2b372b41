using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Elements;

internal struct CastArgs<TStored> where TStored : unmanaged
{
    public ArrayView<TStored> Stored;
    public ArrayView<float> Wide;
}

/// <summary>Stored numbers to float32.</summary>
internal readonly struct Widen<TStored> : IKernel<CastArgs<TStored>> where TStored : unmanaged, IStored<TStored>
{
    public static void Run(CastArgs<TStored> args)
    {
        long i = Threads.Linear();
        if (i < args.Wide.Length)
        {
            args.Wide[i] = TStored.Widen(args.Stored[i]);
        }
    }
}

/// <summary>float32 to stored numbers, rounding to nearest even.</summary>
internal readonly struct Narrow<TStored> : IKernel<CastArgs<TStored>> where TStored : unmanaged, IStored<TStored>
{
    public static void Run(CastArgs<TStored> args)
    {
        long i = Threads.Linear();
        if (i < args.Wide.Length)
        {
            args.Stored[i] = TStored.Narrow(args.Wide[i]);
        }
    }
}
