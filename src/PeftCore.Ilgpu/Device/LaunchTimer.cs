using System.Diagnostics;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using PeftCore.Backends;

namespace PeftCore.Ilgpu;

/// <summary>Times launches: on a card by events in the stream, which are read at the end; on the CPU accelerator by waiting for each
/// launch.</summary>
internal sealed class LaunchTimer(Accelerator accelerator, AcceleratorStream stream) : IDisposable
{
    private readonly List<(string Kernel, Work Work, nint Start, nint End)> _events = [];
    private readonly Stack<nint> _spare = [];
    private readonly KernelProfile _profile = new();
    private readonly CudaStream? _stream = stream as CudaStream;
    private readonly List<(string Copy, long Bytes, nint Start, nint End)> _copies = [];
    private long _clock;
    private nint _start, _copyStart;

    public void Start()
    {
        if (_stream is null)
        {
            accelerator.Synchronize();
            _clock = Stopwatch.GetTimestamp();
            return;
        }
        _start = Record(_stream);
    }

    public void Stop(string kernel, Work work)
    {
        if (_stream is null)
        {
            accelerator.Synchronize();
            _profile.Add(kernel, Stopwatch.GetElapsedTime(_clock).TotalMilliseconds, work);
            return;
        }
        _events.Add((kernel, work, _start, Record(_stream)));
    }

    /// <summary>Begins to time a copy in a stream of copies.</summary>
    public void StartCopy(CudaStream copies) => _copyStart = Record(copies);

    /// <summary>Ends the timing of a copy, which runs beside kernels and is listed apart from them.</summary>
    public void StopCopy(string copy, long bytes, CudaStream copies) => _copies.Add((copy, bytes, _copyStart, Record(copies)));

    /// <summary>Waits for all work and adds up the times.</summary>
    public KernelProfile Finish()
    {
        accelerator.Synchronize();
        foreach (var (kernel, work, start, end) in _events)
        {
            _profile.Add(kernel, CudaDriver.Elapsed(start, end), work);
            _spare.Push(start);
            _spare.Push(end);
        }
        foreach (var (copy, bytes, start, end) in _copies)
        {
            _profile.AddCopy(copy, CudaDriver.Elapsed(start, end), bytes);
            _spare.Push(start);
            _spare.Push(end);
        }
        _copies.Clear();
        _events.Clear();
        return _profile;
    }

    public void Dispose()
    {
        Finish();
        while (_spare.TryPop(out nint event_))
        {
            CudaDriver.DestroyEvent(event_);
        }
    }

    private nint Record(CudaStream stream)
    {
        nint event_ = _spare.TryPop(out nint spare) ? spare : CudaDriver.CreateEvent();
        CudaDriver.RecordEvent(event_, stream.StreamPtr);
        return event_;
    }
}
