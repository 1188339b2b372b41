using System.Buffers.Binary;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Optim;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>A directory checkpoint-N that a run resumes from: the trained parameters, the optimizer's moments and
/// <see cref="TrainerState"/>. It is written atomically.</summary>
public static class Checkpoint
{
    private const string Prefix = "checkpoint-";
    private const string OptimizerFile = "training_state.safetensors";
    private const string StateFile = "trainer_state.json";

    /// <summary>The checkpoint of the latest step in an output directory; null if there is none.</summary>
    public static string? Last(string outputDirectory) => All(outputDirectory) is { Count: > 0 } all ? all[^1].Path : null;

    /// <summary>Checkpoints in the order of their steps. Completes or undoes the renaming of a killed writer first.</summary>
    internal static List<(int Step, string Path)> All(string outputDirectory)
    {
        if (!Directory.Exists(outputDirectory))
        {
            return [];
        }
        var former = FormerLeftovers.Recover(outputDirectory);
        return [.. Directory.GetDirectories(outputDirectory, Prefix + "*").Select(path => (Step: StepOf(path), Path: path))
            .Where(found => found.Step >= 0).Concat(former).OrderBy(found => found.Step)];
    }

    internal static string PathOf(string outputDirectory, int step) => Path.Combine(outputDirectory, $"{Prefix}{step}");

    internal static void Write(string path, ITrainable trainable, Optimizer optimizer, TrainerState state, Action<string>? fault = null) =>
        AtomicDirectory.Write(path, directory =>
        {
            fault?.Invoke("checkpoint begun");
            trainable.Save(directory);
            fault?.Invoke("parameters written");
            SafetensorsWriter.Write(Path.Combine(directory, OptimizerFile), optimizer.States.SelectMany(TensorsOf));
            fault?.Invoke("moments written");
            state.Write(Path.Combine(directory, StateFile));
            fault?.Invoke("state written");
        });

    internal static TrainerState ReadState(string path)
    {
        AtomicDirectory.Recover(path);
        return PendingFiles.Find(Path.Combine(path, StateFile)) is { } file
            ? TrainerState.Read(file)
            : throw new BadInputException(
            $"{path}: this is not a checkpoint, it has no {StateFile}; name a checkpoint-N directory of a run");
    }

    internal static void ReadOptimizer(string path, Optimizer optimizer)
    {
        string file = Path.Combine(path, OptimizerFile);
        using var source = WeightSource.OpenFile(PendingFiles.Find(file) ?? file);
        var known = optimizer.States.SelectMany(TensorsOf).ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        if (source.Names.FirstOrDefault(name => !known.ContainsKey(name)) is { } stranger)
        {
            throw new BadInputException(
                $"{source.Place}: \"{stranger}\" belongs to no parameter that trains now; resume with the method and optimizer the run " +
                "began with");
        }
        foreach (var state in optimizer.States)
        {
            long steps = BinaryPrimitives.ReadInt64LittleEndian(Entry(StepName(state)).Bytes);
            state.Restore(steps, moment => Entry(MomentName(state, moment)).Span);
            foreach (var (name, value) in state.Tables)
            {
                var entry = Entry(MomentName(state, name));
                if (!entry.Bytes.SequenceEqual(value.ToBytes()))
                {
                    throw entry.Error("is not bitsandbytes' dynamic map, by which the codes of the moments would mean other numbers; " +
                        "resume from a checkpoint with that map, or start a new run");
                }
            }
        }

        WeightEntry Entry(string name)
        {
            var entry = source.Get(name);
            var expected = known[name];
            return entry.DType == expected.DType && entry.Shape.AsSpan().SequenceEqual(expected.Shape)
                ? entry
                : throw entry.Error(
                $"is {entry.DType} ({string.Join(", ", entry.Shape)}), expected {expected.DType} ({string.Join(", ", expected.Shape)})");
        }
    }

    /// <summary>Removes a checkpoint: renames it first, so that a partly removed one is not read as a checkpoint.</summary>
    internal static void Delete(string path)
    {
        string doomed = HiddenNames.NewPartial(Path.GetDirectoryName(Path.GetFullPath(path))!);
        DiskChanges.MoveDirectory(path, doomed);
        DiskChanges.DeleteTree(doomed);
    }

    /// <summary>The step in a checkpoint's name; −1 for any other name.</summary>
    internal static int StepOf(string path) =>
        Path.GetFileName(path) is { } name && name.StartsWith(Prefix, StringComparison.Ordinal)
        && NumberText.TryDigits(name.AsSpan(Prefix.Length), out int step) ? step : -1;

    private static IEnumerable<SafetensorsTensor> TensorsOf(ParameterState state)
    {
        yield return new SafetensorsTensor(StepName(state), "I64", [], BitConverter.GetBytes(state.Steps));
        foreach (var moment in state.Moments)
        {
            yield return Entry(state, moment.Name, moment.DType, moment.Shape, stream =>
            {
                using var resident = moment.Resident();
                moment.Value.WriteTo(stream);
            });
        }
        foreach (var (name, value) in state.Tables)
        {
            yield return Entry(state, name, value.DType, value.Shape, stream => value.WriteTo(stream));
        }
    }

    private static SafetensorsTensor Entry(ParameterState state, string name, DType dtype, Shape shape, Action<Stream> write) =>
        new(MomentName(state, name), dtype.ToString(), [.. Enumerable.Range(0, shape.Rank).Select(axis => (long)shape[axis])], write);

    private static string StepName(ParameterState state) => $"{state.Name}.step";

    private static string MomentName(ParameterState state, string moment) => $"{state.Name}.{moment}";
}
