using System.Buffers.Binary;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Optim;

namespace PeftCore.Training;

/// <summary>A directory checkpoint-N from which a run goes on: what trains, the optimizer's moments, and <see cref="TrainerState"/>. It is
/// there complete or not at all.</summary>
public static class Checkpoint
{
    private const string Prefix = "checkpoint-";
    private const string OptimizerFile = "training_state.safetensors";
    private const string StateFile = "trainer_state.json";

    /// <summary>The checkpoint of the latest step in an output directory; null if there is none.</summary>
    public static string? Last(string outputDirectory) => All(outputDirectory) is { Count: > 0 } all ? all[^1].Path : null;

    /// <summary>Checkpoints by rising step. What a killed writer left of its renaming is put right first.</summary>
    internal static List<(int Step, string Path)> All(string outputDirectory)
    {
        if (!Directory.Exists(outputDirectory))
        {
            return [];
        }
        foreach (string path in Directory.GetDirectories(outputDirectory, Prefix + "*.old"))
        {
            AtomicDirectory.Recover(path[..^".old".Length]);
        }
        return [.. Directory.GetDirectories(outputDirectory, Prefix + "*").Select(path => (Step: StepOf(path), Path: path))
            .Where(found => found.Step >= 0).OrderBy(found => found.Step)];
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
        string file = Path.Combine(path, StateFile);
        return File.Exists(file)
            ? TrainerState.Read(file)
            : throw new BadInputException($"{path}: this is not a checkpoint, it has no {StateFile}; name a checkpoint-N directory of a run");
    }

    internal static void ReadOptimizer(string path, Optimizer optimizer)
    {
        using var source = WeightSource.OpenFile(Path.Combine(path, OptimizerFile));
        var known = optimizer.States.SelectMany(TensorsOf).ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        if (source.Names.FirstOrDefault(name => !known.ContainsKey(name)) is { } stranger)
        {
            throw new BadInputException($"{source.Place}: \"{stranger}\" belongs to no parameter that trains now; resume with the method and optimizer the run began with");
        }
        foreach (var state in optimizer.States)
        {
            long steps = BinaryPrimitives.ReadInt64LittleEndian(Bytes(StepName(state)));
            state.Restore(steps, moment => Bytes(MomentName(state, moment)));
        }

        byte[] Bytes(string name)
        {
            var entry = source.Get(name);
            var expected = known[name];
            return entry.DType == expected.DType && entry.Shape.AsSpan().SequenceEqual(expected.Shape)
                ? entry.Bytes.ToArray()
                : throw entry.Error($"is {entry.DType} ({string.Join(", ", entry.Shape)}), expected {expected.DType} ({string.Join(", ", expected.Shape)})");
        }
    }

    /// <summary>Removes a checkpoint so that a half-removed one is never taken for one.</summary>
    internal static void Delete(string path)
    {
        string doomed = path + ".partial";
        if (Directory.Exists(doomed))
        {
            Directory.Delete(doomed, recursive: true);
        }
        Directory.Move(path, doomed);
        Directory.Delete(doomed, recursive: true);
    }

    private static int StepOf(string path) =>
        NumberText.TryDigits(Path.GetFileName(path).AsSpan(Prefix.Length), out int step) ? step : -1;

    private static IEnumerable<SafetensorsTensor> TensorsOf(ParameterState state)
    {
        yield return new SafetensorsTensor(StepName(state), "I64", [], BitConverter.GetBytes(state.Steps));
        foreach (var (name, value) in state.Moments)
        {
            long[] shape = [.. Enumerable.Range(0, value.Shape.Rank).Select(axis => (long)value.Shape[axis])];
            yield return new SafetensorsTensor(MomentName(state, name), "F32", shape, stream => value.WriteTo(stream));
        }
    }

    private static string StepName(ParameterState state) => $"{state.Name}.step";

    private static string MomentName(ParameterState state, string moment) => $"{state.Name}.{moment}";
}
