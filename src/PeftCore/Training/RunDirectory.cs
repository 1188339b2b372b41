using PeftCore.Io;
using PeftCore.Optim;

namespace PeftCore.Training;

/// <summary>The output directory of a run, locked against other runs: the log, the checkpoints and the result. Of old checkpoints the last
/// and the best are kept.</summary>
internal sealed class RunDirectory : IDisposable
{
    private static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(1);

    private readonly string _directory;
    private readonly TrainerOptions _options;
    private readonly Action<string>? _fault;
    private readonly HeldFile _lock;
    private RunLog? _log;

    /// <summary>Creates and locks the directory and removes temporary files of killed runs.</summary>
    /// <param name="directory">The path.</param>
    /// <param name="options">Settings of the run.</param>
    /// <param name="step">The step that a resumed run continues from.</param>
    /// <param name="fault">Called with a name before each write; a test throws there.</param>
    /// <exception cref="BadInputException">The directory is in use by another run, holds the checkpoints of one, or is
    /// read-only.</exception>
    public RunDirectory(string directory, TrainerOptions options, int step, Action<string>? fault)
    {
        (_directory, _options, _fault) = (directory, options, fault);
        _lock = Lock();
        try
        {
            bool resumesInPlace = ResumedRun == Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));
            Prepare(resumesInPlace ? step : null);
        }
        catch
        {
            _lock.Dispose();
            throw;
        }
    }

    /// <summary>The last checkpoint written; null before the first.</summary>
    public string? LastCheckpoint { get; private set; }

    /// <summary>The directory of the run that is resumed; null for a new run.</summary>
    private string? ResumedRun => _options.ResumeFrom is { } checkpoint
        ? Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(checkpoint))) : null;

    /// <summary>Opens the log at the length it had at the checkpoint.</summary>
    public void OpenLog(long length) => _log = RunLog.Open(_directory, length, ResumedRun, _fault);

    /// <summary>Writes a row of the log.</summary>
    public void Log(params ReadOnlySpan<(string Name, double Value)> fields) => _log!.Write(fields);

    /// <summary>Writes a checkpoint of the state, then removes old ones.</summary>
    /// <returns>Its path.</returns>
    public string SaveCheckpoint(ITrainable trainable, Optimizer optimizer, TrainerState state)
    {
        _log!.Flush();
        state.LogLength = _log.Length;
        string path = Checkpoint.PathOf(_directory, state.Step);
        Checkpoint.Write(path, trainable, optimizer, state, _fault);
        LastCheckpoint = path;
        _fault?.Invoke("checkpoint standing");
        RemoveOld(state);
        return path;
    }

    /// <summary>The checkpoint of the best step: in this directory, or in that of the resumed run.</summary>
    public string BestCheckpoint(int step)
    {
        string path = Checkpoint.PathOf(_directory, step);
        return ResumedRun is { } resumed && !Directory.Exists(path) ? Checkpoint.PathOf(resumed, step) : path;
    }

    /// <summary>Writes the trained parameters.</summary>
    public void SaveResult(ITrainable trainable)
    {
        _log!.Flush();
        _fault?.Invoke("result");
        trainable.Save(_directory);
    }

    public void Dispose()
    {
        _log?.Dispose();
        _lock.Dispose();
    }

    private HeldFile Lock()
    {
        string full = Path.GetFullPath(_directory);
        string file = Path.Combine(full, HiddenNames.RunLock);
        // A read-only directory fails here, not hours later at the first checkpoint.
        ReadOnlyCheck.Check(_directory, file);
        try
        {
            DiskChanges.CreateDirectory(full);
            // A process that cleans up after a killed run locks the directory for a moment.
            return HeldFile.TryHold(file, LockTimeout, () => true) ?? (File.Exists(file)
                ? throw new BadInputException($"{_directory}: another process is training into this directory; "
                    + "wait until it has ended, or choose another output directory")
                : HeldFile.Hold(file));
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Writing(_directory, e);
        }
    }

    /// <summary>Prepares the locked directory for a new run (null) or one that resumes here from a step; checkpoints of later steps are
    /// removed, because the resumed run repeats those steps.</summary>
    private void Prepare(int? resumedStep)
    {
        var all = Checkpoint.All(_directory);
        if (resumedStep is null && all.Count > 0)
        {
            throw new BadInputException(
                $"{_directory}: the directory holds {Path.GetFileName(all[^1].Path)} of an earlier run; resume from it, " +
                "remove it, or choose another output directory");
        }
        ReadOnlyCheck.Check(_directory, Path.GetFullPath(Path.Combine(_directory, RunLog.FileName)));
        try
        {
            AtomicDirectory.Recover(_directory);
            Leftovers.Clean(_directory);
            FormerLeftovers.Clean(_directory);
            foreach (var (_, path) in all.Where(found => found.Step > resumedStep).Reverse())
            {
                Checkpoint.Delete(path);
            }
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Writing(_directory, e);
        }
    }

    private void RemoveOld(TrainerState state)
    {
        if (_options.SaveTotalLimit == 0)
        {
            return;
        }
        var all = Checkpoint.All(_directory);
        var old = all.Where(found => found.Step != state.Step && found.Step != state.BestStep).ToList();
        foreach (var (_, path) in old.Take(all.Count - _options.SaveTotalLimit))
        {
            _fault?.Invoke("removing");
            Checkpoint.Delete(path);
        }
    }
}
