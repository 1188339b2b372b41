using PeftCore.Backends;

namespace PeftCore.Ilgpu;

/// <summary>The chunks of a device's arena. Near the limit the arena leaves room for what the device takes at the first use of its
/// kernels.</summary>
/// <param name="memory">The device's memory.</param>
/// <param name="toCome">Bytes that the device will take beside the arena.</param>
internal sealed class ArenaMemory(IDeviceMemory memory, Func<long> toCome) : IChunkSource
{
    /// <summary>Enough for counters, flags and tables of levels, which are small.</summary>
    public const long SmallBytes = 64 << 10;

    public long Left => Math.Max(0, memory.Left - toCome() - SmallBytes);

    public nint Take(long bytes, long unused = 0) => memory.Take(bytes, unused);

    public void Return(nint address, long bytes) => memory.Return(address, bytes);
}
