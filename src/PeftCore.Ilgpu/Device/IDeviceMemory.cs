using PeftCore.Backends;

namespace PeftCore.Ilgpu;

/// <summary>Memory kernels work on, by address. Everything is in the order of the device's one stream.</summary>
internal interface IDeviceMemory : IChunkSource, IDisposable
{
    void Upload(ReadOnlySpan<byte> from, nint to);

    /// <summary>Waits for all work before it reads.</summary>
    void Download(nint from, Span<byte> to);

    /// <summary>Sets float32 numbers.</summary>
    void Fill(nint address, float value, long count);

    /// <summary>Called before the host writes or reads the memory.</summary>
    Action? BreakCapture { get; set; }

    void Copy(nint from, nint to, long bytes);

    void Fill(nint address, byte value, long bytes);
}
