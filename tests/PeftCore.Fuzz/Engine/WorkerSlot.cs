namespace PeftCore.Fuzz.Engine;

/// <summary>The current input of one thread, for the watchdog.</summary>
internal sealed class WorkerSlot
{
    private const long Idle = -1;
    private readonly int _thread = ThreadClock.CurrentThread;
    private long _index = Idle;
    private double _cpu, _wall;
    private int _abandoned;

    /// <summary>Index of the current input; −1 for none.</summary>
    public long Index => Volatile.Read(ref _index);

    /// <summary>Processor time of the current input.</summary>
    public double Seconds => ThreadClock.Seconds(_thread) - Volatile.Read(ref _cpu);

    /// <summary>Elapsed time of the current input.</summary>
    public double WallSeconds => ThreadClock.Wall - Volatile.Read(ref _wall);

    public bool IsAbandoned => Volatile.Read(ref _abandoned) != 0;

    public void Begin(long index)
    {
        Volatile.Write(ref _wall, ThreadClock.Wall);
        Volatile.Write(ref _cpu, ThreadClock.Seconds(_thread));
        Volatile.Write(ref _index, index);
    }

    public double End()
    {
        double seconds = Seconds;
        Volatile.Write(ref _index, Idle);
        return seconds;
    }

    public void Abandon() => Volatile.Write(ref _abandoned, 1);
}
