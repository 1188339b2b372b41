using PeftCore.Backends;

namespace PeftCore.Ilgpu;

/// <summary>The chunks of a device's arena. Of the device's limit a margin is left to its own buffers, whether they are taken yet or
/// not, so that the arena finds the same bytes left as that of a plan.</summary>
/// <param name="memory">The device's memory.</param>
/// <param name="limit">The device's limit in bytes.</param>
/// <param name="margin">Bytes of the limit that are not for the arena.</param>
internal sealed class ArenaMemory(IDeviceMemory memory, long limit, long margin) : IChunkSource
{
    private readonly long _most = limit == long.MaxValue ? limit : Math.Max(0, limit - margin);
    private long _taken;

    public long Left => _most - _taken;

    public nint Take(long bytes, long unused = 0)
    {
        if (bytes > Left)
        {
            throw MemoryAdvice.Beyond(bytes, _taken - unused, limit, " on the device");
        }
        nint address = memory.Take(bytes, unused);
        _taken += bytes;
        return address;
    }

    public void Return(nint address, long bytes)
    {
        memory.Return(address, bytes);
        _taken -= bytes;
    }
}
