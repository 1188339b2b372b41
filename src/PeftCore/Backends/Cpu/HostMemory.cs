using PeftCore.Kernels;

namespace PeftCore.Backends;

/// <summary>What to do when memory is refused.</summary>
internal static class MemoryAdvice
{
    /// <summary>The advice, in words that hold for any device.</summary>
    public const string Text = "a smaller batch, shorter sequences or gradient checkpointing need less, and tensors made inside a "
        + "TensorScope are freed when it ends";
}

/// <summary>Chunks of host memory, on large pages if the system has them.</summary>
internal sealed class HostMemory(long limit) : IChunkSource
{
    private long _taken;

    public unsafe nint Take(long bytes, long unused = 0)
    {
        if (bytes > limit - _taken)
        {
            throw new InsufficientMemoryException(
                $"{Megabytes(bytes)} more memory is needed, but {Megabytes(_taken - unused)} of the allowed {Megabytes(limit)} are in " +
                $"use; {MemoryAdvice.Text}");
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
                $"the system refused {Megabytes(bytes)} more memory; {Megabytes(_taken - unused)} are in use; " +
                MemoryAdvice.Text);
        }
    }

    public long Left => limit - _taken;

    public unsafe void Return(nint address, long bytes)
    {
        HostPages.Free((void*)address);
        _taken -= bytes;
    }

    private static string Megabytes(long bytes) => $"{bytes / (1024.0 * 1024):N0} MiB";
}
