using PeftCore.Io;
using PeftCore.Optim;

namespace PeftCore.Training;

/// <summary>Writes a run's checkpoints and removes those that are no longer wanted: the last and the best always stay.</summary>
internal sealed class CheckpointKeeper(string outputDirectory, int limit, Action<string>? fault)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    public string? LastSaved { get; private set; }

    /// <summary>Keeps other runs out of the directory until disposed of; the directory is made if it is missing.</summary>
    /// <exception cref="BadInputException">Another process trains here, or the place cannot be written to.</exception>
    public HeldFile Hold()
    {
        string full = Path.GetFullPath(outputDirectory);
        string file = Path.Combine(full, HiddenNames.RunLock);
        // Found out now rather than after hours, when the first checkpoint is due.
        ReadOnlyCheck.Check(outputDirectory, file);
        try
        {
            DiskChanges.CreateDirectory(full);
            // A process that cleans holds what a killed run left for a moment.
            return HeldFile.TryHold(file, Patience, () => true) ?? (File.Exists(file)
                ? throw new BadInputException($"{outputDirectory}: another process is training into this directory; "
                    + "wait until it has ended, or choose another output directory")
                : HeldFile.Hold(file));
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Writing(outputDirectory, e);
        }
    }

    /// <summary>Makes the directory, which this run holds, ready for a run that starts here (null) or goes on here from a step. Checkpoints
    /// of later steps belong to what the resumed run is about to do again, and go.</summary>
    /// <exception cref="BadInputException">Another run's checkpoints are there.</exception>
    public void Prepare(int? resumedStep)
    {
        var all = Checkpoint.All(outputDirectory);
        if (resumedStep is null && all.Count > 0)
        {
            throw new BadInputException(
                $"{outputDirectory}: the directory holds {Path.GetFileName(all[^1].Path)} of an earlier run; resume from it, " +
                "remove it, or choose another output directory");
        }
        ReadOnlyCheck.Check(outputDirectory, Path.GetFullPath(Path.Combine(outputDirectory, RunLog.FileName)));
        try
        {
            AtomicDirectory.Recover(outputDirectory);
            Leftovers.Clean(outputDirectory);
            FormerLeftovers.Clean(outputDirectory);
            foreach (var (_, path) in all.Where(found => found.Step > resumedStep).Reverse())
            {
                Checkpoint.Delete(path);
            }
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Writing(outputDirectory, e);
        }
    }

    public string Save(ITrainable trainable, Optimizer optimizer, TrainerState state)
    {
        string path = Checkpoint.PathOf(outputDirectory, state.Step);
        Checkpoint.Write(path, trainable, optimizer, state, fault);
        LastSaved = path;
        fault?.Invoke("checkpoint standing");
        RemoveOld(state);
        return path;
    }

    private void RemoveOld(TrainerState state)
    {
        if (limit == 0)
        {
            return;
        }
        var all = Checkpoint.All(outputDirectory);
        var old = all.Where(found => found.Step != state.Step && found.Step != state.BestStep).ToList();
        foreach (var (_, path) in old.Take(all.Count - limit))
        {
            fault?.Invoke("removing");
            Checkpoint.Delete(path);
        }
    }
}
