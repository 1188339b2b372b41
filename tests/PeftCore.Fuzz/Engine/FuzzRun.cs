using PeftCore.Fuzz.Inputs;

namespace PeftCore.Fuzz.Engine;

/// <summary>Reads inputs of one kind on several threads with a watchdog: an input that takes too long is counted, and its thread
/// replaced.</summary>
internal sealed class FuzzRun(FuzzKind kind, ulong seed, long count, string workplace)
{
    public const double DefaultPatience = 1;
    private const double Hopeless = 10, HopelessWall = 120;
    private const int MostAbandoned = 20;
    private const int StackBytes = 1 << 20;
    private readonly Tally _tally = new(kind.Name);
    private readonly List<(Thread Thread, WorkerSlot? Slot)> _workers = [];
    private long _next;
    private int _directories;

    /// <summary>Seconds of processor time that one input may take.</summary>
    public double Patience { get; init; } = DefaultPatience;

    /// <summary>Receives every failure: the verdict, the index, the input, and the number of earlier failures of its group.</summary>
    public Action<Verdict, long, FuzzInput, int>? Failed { get; init; }

    /// <summary>Receives the index of an input before it is read, in case it ends the process.</summary>
    public Action<int, long>? Started { get; init; }

    public Tally Run(int threads)
    {
        for (int i = 0; i < threads; i++)
        {
            Start();
        }
        while (true)
        {
            (Thread Thread, WorkerSlot? Slot)[] workers;
            lock (_workers)
            {
                workers = [.. _workers];
            }
            foreach (var worker in workers)
            {
                Watch(worker.Thread, worker.Slot);
            }
            if (workers.Length == 0)
            {
                return _tally;
            }
            workers[0].Thread.Join(50);
        }
    }

    private void Start()
    {
        int number = _directories++;
        var thread = new Thread(() => Work(number), StackBytes) { IsBackground = true, Name = $"{kind.Name} {number}" };
        lock (_workers)
        {
            _workers.Add((thread, null));
        }
        thread.Start();
    }

    private void Watch(Thread thread, WorkerSlot? slot)
    {
        if (!thread.IsAlive)
        {
            Remove(thread);
            return;
        }
        if (slot is not { Index: >= 0 and var index } || (slot.Seconds < Hopeless && slot.WallSeconds < HopelessWall))
        {
            return;
        }
        slot.Abandon();
        Remove(thread);
        Count(new Verdict(Outcome.Hang, "never ended",
            $"stopped waiting after {slot.Seconds:F1} s of processor time, {slot.WallSeconds:F1} s in all"), index, Input(index),
            slot.Seconds, 0);
        if (_directories > MostAbandoned)
        {
            Interlocked.Exchange(ref _next, count);
            return;
        }
        Start();
    }

    private void Remove(Thread thread)
    {
        lock (_workers)
        {
            _workers.RemoveAll(worker => worker.Thread == thread);
        }
    }

    private FuzzInput Input(long index) => kind.Make(FuzzRandom.For(seed, kind.Name, index));

    private void Work(int number)
    {
        var slot = new WorkerSlot();
        lock (_workers)
        {
            int at = _workers.FindIndex(worker => worker.Thread == Thread.CurrentThread);
            _workers[at] = (Thread.CurrentThread, slot);
        }
        string directory = Path.Combine(workplace, $"{kind.Name}-{number}");
        Directory.CreateDirectory(directory);
        using var subject = kind.Open(directory);
        // The first reading includes compilation, so it is not timed.
        Judge.Try(subject, Prepared(subject, 0));
        for (long index = Interlocked.Increment(ref _next) - 1; index < count
            && !slot.IsAbandoned; index = Interlocked.Increment(ref _next) - 1)
        {
            Started?.Invoke(number, index);
            Read(subject, index, slot);
        }
    }

    private FuzzInput Prepared(FuzzSubject subject, long index)
    {
        var input = Input(index);
        subject.Prepare(input);
        return input;
    }

    private void Read(FuzzSubject subject, long index, WorkerSlot slot)
    {
        var input = Prepared(subject, index);
        long before = GC.GetAllocatedBytesForCurrentThread();
        slot.Begin(index);
        var verdict = Judge.Try(subject, input);
        double seconds = slot.End();
        long bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        if (slot.IsAbandoned)
        {
            return; // The watchdog has counted it.
        }
        if (seconds > Patience)
        {
            verdict = new Verdict(Outcome.Hang, input.Rule,
                $"took {seconds:F2} s of processor time; then: {verdict.Outcome}, {verdict.Detail}");
        }
        Count(verdict, index, input, seconds, bytes);
    }

    private void Count(Verdict verdict, long index, FuzzInput input, double seconds, long bytes)
    {
        int like = _tally.Add(verdict, index, seconds, bytes);
        if (like >= 0)
        {
            Failed?.Invoke(verdict, index, input, like);
        }
    }
}
