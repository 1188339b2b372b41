using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace PeftCore.Kernels;

/// <summary>A loop body over independent items. Implemented by structs, so that a call allocates nothing.</summary>
internal interface IParallelBody
{
    /// <summary>Processes one item, on any thread.</summary>
    void Run(int item);
}

/// <summary>
/// A fixed set of threads that run parallel loops. A kernel's partition into items never depends on the number of threads, so neither do
/// its results. Each thread starts with its own share of the items, the same share in every call, so that rows stay in one core's cache
/// from kernel to kernel; then it takes items from the other shares.
/// </summary>
internal sealed unsafe class WorkerPool : IDisposable
{
    // The next loop often starts within microseconds, sooner than a sleeping thread wakes, so idle threads spin first.
    private static readonly long SpinTicks = Stopwatch.Frequency / 20_000;

    private readonly object _gate = new();
    private readonly Thread[] _workers;
    private delegate*<void*, int, void> _invoke;
    private void* _body;
    private readonly Share[] _shares;
    private int _active;
    private int _generation;
    private int _sleeping;
    private int _busy;
    private bool _open;
    private bool _stopped;
    private Exception? _failure;
    private readonly int _boundThread;
    private readonly IReadOnlyList<int> _allowedBefore = [];

    /// <summary>Starts a pool of <paramref name="threads"/> threads, the caller of <see cref="For"/> being one of them.</summary>
    /// <param name="threads">Number of threads.</param>
    /// <param name="processors">A processor for each thread, that of the thread which calls this first; null to let the system
    /// choose.</param>
    public WorkerPool(int threads, IReadOnlyList<int>? processors = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(processors?.Count ?? threads, threads, nameof(processors));
        Threads = threads;
        _shares = new Share[threads];
        _workers = new Thread[threads - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            int number = i + 1;
            _workers[i] = new Thread(() =>
            {
                if (processors is not null)
                {
                    Affinity.TryBind(processors[number]);
                }

                RunWorker(number);
            })
            { IsBackground = true, Name = "PeftCore worker" };
            _workers[i].Start();
        }

        if (processors is not null)
        {
            // After the workers have started: a new thread inherits the binding of the thread that starts it.
            _boundThread = Environment.CurrentManagedThreadId;
            _allowedBefore = Affinity.OfThisThread();
            Affinity.TryBind(processors[0]);
        }
    }

    /// <summary>Number of threads, the caller included.</summary>
    public int Threads { get; }

    /// <summary>Buffers that kernels rent for the length of a call.</summary>
    internal ScratchPool Scratch { get; } = new();

    /// <summary>
    /// Runs items 0 … count-1 and returns when all are done. A nested call, or a call from a second thread during the first, runs its items
    /// on the calling thread. The first exception of an item is rethrown.
    /// </summary>
    public void For<TBody>(int count, ref TBody body)
        where TBody : struct, IParallelBody
    {
        if (count <= 1 || _workers.Length == 0 || Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
        {
            for (int i = 0; i < count; i++)
            {
                body.Run(i);
            }

            return;
        }

        // A copy on this stack frame, which stays until every worker has left, needs no pinning.
        var copy = body;
        try
        {
            RunShared(count, &Invoke<TBody>, Unsafe.AsPointer(ref copy));
        }
        finally
        {
            Volatile.Write(ref _busy, 0);
        }
    }

    /// <summary>Ends the threads and frees the buffers.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _stopped = true;
            _generation++;
            Monitor.PulseAll(_gate);
        }

        foreach (var worker in _workers)
        {
            worker.Join();
        }

        if (_allowedBefore.Count > 0 && _boundThread == Environment.CurrentManagedThreadId)
        {
            Affinity.TryBind(_allowedBefore);
        }

        Scratch.Dispose();
    }

    private static void Invoke<TBody>(void* body, int item)
        where TBody : struct, IParallelBody => Unsafe.AsRef<TBody>(body).Run(item);

    private void RunShared(int count, delegate*<void*, int, void> invoke, void* body)
    {
        lock (_gate)
        {
            _invoke = invoke;
            _body = body;
            for (int i = 0; i < _shares.Length; i++)
            {
                _shares[i].Next = (int)((long)count * i / _shares.Length);
                _shares[i].End = (int)((long)count * (i + 1) / _shares.Length);
            }

            _failure = null;
            _open = true;
            Volatile.Write(ref _generation, _generation + 1);
            if (_sleeping > 0)
            {
                Monitor.PulseAll(_gate);
            }
        }

        Drain(0);
        lock (_gate)
        {
            // A worker that wakes after this finds the loop closed and does nothing, so there is no need to wait for it.
            _open = false;
        }

        SpinWait spin = default;
        while (Volatile.Read(ref _active) != 0)
        {
            spin.SpinOnce(sleep1Threshold: -1);
        }

        if (_failure is { } failure)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    private void Drain(int number)
    {
        var invoke = _invoke;
        void* body = _body;
        try
        {
            for (int i = 0; i < _shares.Length; i++)
            {
                ref var share = ref _shares[(number + i) % _shares.Length];
                int end = share.End;
                for (int item = Interlocked.Increment(ref share.Next) - 1; item < end; item = Interlocked.Increment(ref share.Next) - 1)
                {
                    invoke(body, item);
                }
            }
        }
        catch (Exception failure)
        {
            Interlocked.CompareExchange(ref _failure, failure, null);
            foreach (ref var share in _shares.AsSpan())
            {
                Volatile.Write(ref share.Next, share.End);
            }
        }
    }

    private void RunWorker(int number)
    {
        int seen = 0;
        while (true)
        {
            SpinForWork(seen);
            lock (_gate)
            {
                while (_generation == seen)
                {
                    _sleeping++;
                    Monitor.Wait(_gate);
                    _sleeping--;
                }

                if (_stopped)
                {
                    return;
                }

                seen = _generation;
                if (!_open)
                {
                    continue;
                }

                _active++;
            }

            Drain(number);
            lock (_gate)
            {
                _active--;
            }
        }
    }

    private void SpinForWork(int seen)
    {
        long until = Stopwatch.GetTimestamp() + SpinTicks;
        while (Volatile.Read(ref _generation) == seen && Stopwatch.GetTimestamp() < until)
        {
            Thread.SpinWait(10);
        }
    }

    // 128 bytes keep two shares off one cache line; processors fetch lines in pairs.
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    private struct Share
    {
        public int Next, End;
    }
}
