using System.Runtime.InteropServices;
using ILGPU.Runtime;
using PeftCore.Backends;

namespace PeftCore.Ilgpu;

/// <summary>Device memory of ILGPU's CPU accelerator, which is host memory of this process.</summary>
internal sealed class HostDeviceMemory(Accelerator accelerator, LaunchCapture launches, long limit) : IDeviceMemory
{
    private readonly HostMemory _host = new(limit);

    public nint Take(long bytes, long unused = 0) => _host.Take(bytes, unused);

    public long Left => _host.Left;

    public void Return(nint address, long bytes) => _host.Return(address, bytes);

    public unsafe void Upload(ReadOnlySpan<byte> from, nint to)
    {
        BreakCapture?.Invoke();
        accelerator.Synchronize();
        from.CopyTo(new Span<byte>((void*)to, from.Length));
    }

    public unsafe void Download(nint from, Span<byte> to)
    {
        BreakCapture?.Invoke();
        accelerator.Synchronize();
        new ReadOnlySpan<byte>((void*)from, to.Length).CopyTo(to);
    }

    public Action? BreakCapture { get; set; }

    public unsafe void Fill(nint address, float value, long count) => launches.Launch(() =>
    {
        accelerator.Synchronize();
        for (long first = 0; first < count; first += int.MaxValue)
        {
            new Span<float>((float*)address + first, (int)Math.Min(int.MaxValue, count - first)).Fill(value);
        }
    });

    public unsafe void Copy(nint from, nint to, long bytes) => launches.Launch(() =>
    {
        accelerator.Synchronize();
        Buffer.MemoryCopy((void*)from, (void*)to, bytes, bytes);
    });

    public unsafe void Fill(nint address, byte value, long bytes) => launches.Launch(() =>
    {
        accelerator.Synchronize();
        NativeMemory.Fill((void*)address, (nuint)bytes, value);
    });

    public void Dispose() { }
}
