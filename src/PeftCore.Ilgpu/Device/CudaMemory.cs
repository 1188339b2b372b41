using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using PeftCore.Backends;

namespace PeftCore.Ilgpu;

/// <summary>A card's memory. Host data goes through a page-locked ring buffer, so that the host does not wait for uploads.</summary>
internal sealed class CudaMemory : IDeviceMemory
{
    private const int RingBytes = 32 << 20;

    private readonly Accelerator _accelerator;
    private readonly CudaStream _stream;
    private readonly nint _ring;
    private readonly long _limit;
    private long _taken;
    private int _used;

    public CudaMemory(Accelerator accelerator, CudaStream stream, long limit)
    {
        _limit = limit;
        _accelerator = accelerator;
        _stream = stream;
        accelerator.Bind();
        Check(CudaAPI.CurrentAPI.AllocateHostMemory(out _ring, RingBytes), "page-locked memory");
    }

    public nint Take(long bytes, long unused = 0)
    {
        if (bytes > _limit - _taken)
        {
            throw MemoryAdvice.Beyond(bytes, _taken - unused, _limit, " on the GPU");
        }
        _accelerator.Bind();
        var error = CudaAPI.CurrentAPI.AllocateMemory(out nint address, (nint)bytes);
        if (error == CudaError.CUDA_ERROR_OUT_OF_MEMORY)
        {
            Check(CudaAPI.CurrentAPI.GetMemoryInfo(out long free, out long total), "memory info");
            throw new InsufficientMemoryException(
                $"{MemoryAdvice.Megabytes(bytes)} more memory is needed on the GPU, but only {MemoryAdvice.Megabytes(free)} of its " +
                $"{MemoryAdvice.Megabytes(total)} are free; {MemoryAdvice.Text}; a plan shows how much is needed");
        }
        Check(error, "memory");
        _taken += bytes;
        return address;
    }

    public long Left => _limit - _taken;

    public void Return(nint address, long bytes)
    {
        _accelerator.Bind();
        Check(CudaAPI.CurrentAPI.FreeMemory(address), "memory");
        _taken -= bytes;
    }

    public Action? BreakCapture { get; set; }

    public unsafe void Upload(ReadOnlySpan<byte> from, nint to)
    {
        BreakCapture?.Invoke();
        _accelerator.Bind();
        while (from.Length > 0)
        {
            if (_used == RingBytes)
            {
                _stream.Synchronize(); // The ring is full: its earlier copies must have completed.
                _used = 0;
            }
            int piece = Math.Min(from.Length, RingBytes - _used);
            from[..piece].CopyTo(new Span<byte>((void*)(_ring + _used), piece));
            Check(CudaAPI.CurrentAPI.MemcpyAsync(to, _ring + _used, piece, _stream), "a copy to the GPU");
            _used += piece;
            to += piece;
            from = from[piece..];
        }
    }

    public unsafe void Download(nint from, Span<byte> to)
    {
        BreakCapture?.Invoke();
        _accelerator.Bind();
        while (to.Length > 0)
        {
            _stream.Synchronize();
            _used = 0;
            int piece = Math.Min(to.Length, RingBytes);
            Check(CudaAPI.CurrentAPI.MemcpyAsync(_ring, from, piece, _stream), "a copy from the GPU");
            _stream.Synchronize();
            new ReadOnlySpan<byte>((void*)_ring, piece).CopyTo(to);
            from += piece;
            to = to[piece..];
        }
    }

    public void Fill(nint address, float value, long count)
    {
        _accelerator.Bind();
        CudaDriver.Fill(address, BitConverter.SingleToUInt32Bits(value), count, _stream.StreamPtr);
    }

    public void Copy(nint from, nint to, long bytes)
    {
        _accelerator.Bind();
        Check(CudaAPI.CurrentAPI.MemcpyAsync(to, from, (nint)bytes, _stream), "a copy on the GPU");
    }

    public void Fill(nint address, byte value, long bytes)
    {
        _accelerator.Bind();
        Check(CudaAPI.CurrentAPI.Memset(address, value, (nint)bytes, _stream), "filling memory");
    }

    public void Dispose()
    {
        _accelerator.Bind();
        CudaAPI.CurrentAPI.FreeHostMemory(_ring);
    }

    private static void Check(CudaError error, string what)
    {
        if (error != CudaError.CUDA_SUCCESS)
        {
            throw new InvalidOperationException($"the NVIDIA driver refused {what}: {error}");
        }
    }
}
