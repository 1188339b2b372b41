using ILGPU;

namespace PeftCore.Kernels.Ilgpu;

internal struct NarrowFourArgs
{
    public ArrayView<Float4> Wide;
    public ArrayView<ulong> Stored;
}

/// <summary>Four float32 to four bfloat16 at once: operands on their way to tensor cores.</summary>
internal readonly struct NarrowFour : IKernel<NarrowFourArgs>
{
    public static void Run(NarrowFourArgs args)
    {
        long i = Threads.Linear();
        if (i < args.Stored.Length)
        {
            Float4 x = args.Wide[i];
            uint low = Brain16.Narrow(x.X).Bits | ((uint)Brain16.Narrow(x.Y).Bits << 16);
            uint high = Brain16.Narrow(x.Z).Bits | ((uint)Brain16.Narrow(x.W).Bits << 16);
            args.Stored[i] = low | ((ulong)high << 32);
        }
    }
}
