using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace PeftCore.Kernels;

/// <summary>Independent items of work. A struct, so that a call allocates nothing.</summary>
public interface IParallelBody
{
    /// <summary>Does one item; any thread may be the one that does it.</summary>
    void Run(int item);
}

/// <summary>
/// A fixed set of threads that kernels split their work over. Items are handed out as threads become free; a kernel's
/// partition into items never depends on the number of threads, so neither do its results.
/// </summary>
public sealed unsafe class WorkerPool : IDisposable
{
    // Work often comes again within microseconds, sooner than a sleeping thread can be woken.
    private static readonly long SpinTicks = Stopwatch.Frequency / 20_000;

    private readonly object _gate = new();
    private readonly Thread[] _workers;
    private delegate*<void*, int, void> _invoke;
    private void* _body;
    private int _count;
    private int _next;
    private int _active;
    private int _generation;
    private int _sleeping;
    private int _busy;
    private bool _open;
    private bool _stopped;
    private Exception? _failure;

    /// <summary>Starts a pool of <paramref name="threads"/> threads, the caller of <see cref="For"/> being one of them.</summary>
    public WorkerPool(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        Threads = threads;
        _workers = new Thread[threads - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            _workers[i] = new Thread(Work) { IsBackground = true, Name = "PeftCore worker" };
            _workers[i].Start();
        }
    }

    /// <summary>How many threads take part, the caller included.</summary>
    public int Threads { get; }

    /// <summary>Buffers that kernels borrow for the length of a call.</summary>
    internal ScratchPool Scratch { get; } = new();

    /// <summary>
    /// Runs items 0 … count-1 and returns when all are done. A call from inside an item, or from a second thread while a
    /// call is under way, runs its items on the calling thread. The first exception of an item is thrown here.
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
        TBody copy = body;
        try
        {
            Share(count, &Invoke<TBody>, Unsafe.AsPointer(ref copy));
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

        foreach (Thread worker in _workers)
        {
            worker.Join();
        }

        Scratch.Dispose();
    }

    private static void Invoke<TBody>(void* body, int item)
        where TBody : struct, IParallelBody => Unsafe.AsRef<TBody>(body).Run(item);

    private void Share(int count, delegate*<void*, int, void> invoke, void* body)
    {
        lock (_gate)
        {
            _invoke = invoke;
            _body = body;
            _count = count;
            _next = 0;
            _failure = null;
            _open = true;
            Volatile.Write(ref _generation, _generation + 1);
            if (_sleeping > 0)
            {
                Monitor.PulseAll(_gate);
            }
        }

        Drain();
        lock (_gate)
        {
            // A worker that wakes only now finds the job closed; nobody waits for it.
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

    private void Drain()
    {
        delegate*<void*, int, void> invoke = _invoke;
        void* body = _body;
        int count = _count;
        try
        {
            for (int item = Interlocked.Increment(ref _next) - 1; item < count; item = Interlocked.Increment(ref _next) - 1)
            {
                invoke(body, item);
            }
        }
        catch (Exception failure)
        {
            Interlocked.CompareExchange(ref _failure, failure, null);
            Volatile.Write(ref _next, count);
        }
    }

    private void Work()
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

            Drain();
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
}
