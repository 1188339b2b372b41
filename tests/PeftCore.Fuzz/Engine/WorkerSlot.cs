namespace PeftCore.Fuzz.Engine;

/// <summary>What one thread does at this moment, for the watchdog to see.</summary>
internal sealed class WorkerSlot
{
    private const long Idle = -1;
    private readonly int _thread = ThreadClock.CurrentThread;
    private long _index = Idle;
    private double _cpu, _wall;
    private int _abandoned;

    /// <summary>The input in work; −1 for none.</summary>
    public long Index => Volatile.Read(ref _index);

    /// <summary>Processor time of the input in work.</summary>
    public double Seconds => ThreadClock.Seconds(_thread) - Volatile.Read(ref _cpu);

    /// <summary>The time that has passed since it began.</summary>
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
