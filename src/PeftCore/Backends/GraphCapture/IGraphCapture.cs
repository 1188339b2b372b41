namespace PeftCore.Backends;

/// <summary>A device that can record the work it is asked for and run all of it again at once, without the host walking through it (CUDA
/// graphs, or a list of calls).</summary>
internal interface IGraphCapture
{
    /// <summary>Whether work can be recorded now.</summary>
    bool CanCapture { get; }

    /// <summary>How many recordings are worth keeping at a time.</summary>
    int MaxGraphs { get; }

    /// <summary>Where its memory comes from.</summary>
    Arena Arena { get; }

    /// <summary>Does the work and records it.</summary>
    /// <param name="work">Asks for the work. What it reads must stay where it is for as long as the recording is used.</param>
    /// <param name="pass">Number of the pass this is. Streams of random numbers that it draws from count on with it.</param>
    ICapturedGraph Capture(Action work, ulong pass);
}

/// <summary>Recorded work.</summary>
internal interface ICapturedGraph : IDisposable
{
    /// <summary>False if the work needed the host in between, or random numbers the device cannot draw anew: then it was done this once and
    /// cannot be repeated.</summary>
    bool CanReplay { get; }

    /// <summary>Does the work again, if memory is in use exactly as it was when the recording began.</summary>
    /// <param name="left">What the work leaves behind; taken again before it runs, to be disposed by the caller.</param>
    /// <param name="pass">Number of the pass this is.</param>
    /// <returns>False if memory is not as it was, and nothing was done.</returns>
    bool Replay(ReadOnlySpan<StaticTensor> left, ulong pass);
}
