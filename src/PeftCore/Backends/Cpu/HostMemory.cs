using PeftCore.Kernels;

namespace PeftCore.Backends;

/// <summary>What to do when memory is refused.</summary>
internal static class MemoryAdvice
{
    /// <summary>The advice, in words that hold for any device.</summary>
    public const string Text = "a smaller batch, shorter sequences or gradient checkpointing need less, and tensors made inside a "
        + "TensorScope are freed when it ends";

    /// <summary>What is told of an allocation beyond a limit.</summary>
    /// <param name="bytes">Bytes wanted.</param>
    /// <param name="used">Bytes in use.</param>
    /// <param name="limit">The limit in bytes.</param>
    /// <param name="where">Where, in words that follow "is needed".</param>
    public static InsufficientMemoryException Beyond(long bytes, long used, long limit, string where = "") => new(
        $"{Megabytes(bytes)} more memory is needed{where}, but {Megabytes(used)} of the allowed {Megabytes(limit)} are in use; {Text}");

    /// <summary>A number of bytes in whole mebibytes.</summary>
    public static string Megabytes(long bytes) => $"{bytes / (1024.0 * 1024):N0} MiB";
}

/// <summary>Chunks of host memory, on large pages if the system has them.</summary>
internal sealed class HostMemory(long limit) : IChunkSource
{
    private long _taken;

    public unsafe nint Take(long bytes, long unused = 0)
    {
        if (bytes > limit - _taken)
        {
            throw MemoryAdvice.Beyond(bytes, _taken - unused, limit);
        }
        try
        {
            nint address = (nint)HostPages.Allocate((nuint)bytes);
            _taken += bytes;
            return address;
        }
        catch (OutOfMemoryException)
        {
            throw new InsufficientMemoryException(
                $"the system refused {MemoryAdvice.Megabytes(bytes)} more memory; {MemoryAdvice.Megabytes(_taken - unused)} are in use; " +
                MemoryAdvice.Text);
        }
    }

    public long Left => limit - _taken;

    public unsafe void Return(nint address, long bytes)
    {
        HostPages.Free((void*)address);
        _taken -= bytes;
    }
}
