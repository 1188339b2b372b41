using PeftCore.Backends;

namespace PeftCore.Ilgpu;

/// <summary>Device memory by address. All operations run in the order of the device's stream.</summary>
internal interface IDeviceMemory : IChunkSource, IDisposable
{
    void Upload(ReadOnlySpan<byte> from, nint to);

    /// <summary>Waits for all queued work, then reads.</summary>
    void Download(nint from, Span<byte> to);

    /// <summary>Sets <paramref name="count"/> floats.</summary>
    void Fill(nint address, float value, long count);

    /// <summary>Called before the host writes or reads device memory, which ends a graph capture.</summary>
    Action? BreakCapture { get; set; }

    void Copy(nint from, nint to, long bytes);

    void Fill(nint address, byte value, long bytes);
}
