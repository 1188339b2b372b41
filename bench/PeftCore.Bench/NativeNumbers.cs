using PeftCore.Kernels;

namespace PeftCore.Bench;

/// <summary>Numbers outside the managed heap, on the pages that the arena gives tensors.</summary>
internal sealed unsafe class NativeNumbers(long count) : IDisposable
{
    private readonly float* _data = (float*)HostPages.Allocate((nuint)Math.Max(count, 1) * sizeof(float));

    public Span<float> Span => new(_data, (int)count);

    public Span<byte> Bytes => new(_data, (int)(count * sizeof(float)));

    /// <summary>Numbers from −1 to 1.</summary>
    public static NativeNumbers Uniform(long count, ulong stream)
    {
        NativeNumbers made = new(count);
        Philox.FillUniform(made.Span, -1, 1, 1, stream);
        return made;
    }

    public static NativeNumbers OfBytes(long bytes) => new((bytes + sizeof(float) - 1) / sizeof(float));

    public void Dispose() => HostPages.Free(_data);
}
