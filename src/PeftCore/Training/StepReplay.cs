using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>Forward and backward passes over batches of a shape that was seen before, recorded once and replayed: the host then only copies the batch. The
/// first batch of a shape runs as ever, so that everything is loaded; the second is recorded.</summary>
internal sealed class StepReplay(IBackend backend, IReplaysWork device, ITrainable trainable) : IDisposable
{
    private const int MostShapes = 8;

    private readonly Dictionary<Key, Entry?> _entries = [];

    /// <summary>What a recording depends on beside the batch's numbers.</summary>
    private readonly record struct Key(int Batch, int Length, int Longest, bool HasRanges, int TargetCount, bool PicksRows, float Denominator, bool Adds, string Trains);

    /// <summary>A recorded pass: tensors that batches are copied into, and places of the loss and the gradients.</summary>
    private sealed class Entry : IDisposable
    {
        public required ModelInputs Inputs { get; init; }

        public required Targets Targets { get; init; }

        public IRecording? Recording { get; set; }

        public Place[] Results { get; set; } = [];

        public nint[] Parameters { get; set; } = [];

        public nint[] GradientsBefore { get; set; } = [];

        public void Dispose()
        {
            Recording?.Dispose();
            Inputs.Free();
            Targets.Free();
        }
    }

    /// <summary>How many passes were replayed.</summary>
    public int Replayed { get; private set; }

    /// <summary>Runs a pass, adding to the parameters' gradients.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="targets">What the sum of losses is divided by.</param>
    /// <param name="pass">The pass itself: returns the loss, for the caller to dispose.</param>
    /// <returns>The loss, for the caller to dispose.</returns>
    public Tensor Run(Batch batch, int targets, Func<ModelInputs, Targets, Tensor> pass)
    {
        using var scope = new TensorScope();
        var inputs = TrainingStep.Inputs(backend, batch);
        var wanted = Targets.FromLabels(backend, batch.Labels, batch.BatchSize, targets);
        if (!device.CanRecord || trainable.ReplayKey is not { } trains)
        {
            return pass(inputs, wanted);
        }
        var key = new Key(batch.BatchSize, inputs.Length, inputs.Longest, inputs.Ranges is not null, (int)wanted.Tokens.Count, wanted.Rows is not null,
            wanted.Denominator, Gradients().Any(gradient => gradient is not null), trains);
        if (!_entries.TryGetValue(key, out var entry))
        {
            if (_entries.Count < MostShapes)
            {
                _entries.Add(key, new Entry { Inputs = inputs.Kept(), Targets = wanted.Kept() });
            }
            return pass(inputs, wanted);
        }
        if (entry is null)
        {
            return pass(inputs, wanted); // It cannot be repeated.
        }
        entry.Inputs.CopyFrom(inputs);
        entry.Targets.CopyFrom(wanted);
        inputs.Free();
        wanted.Free();
        return entry.Recording is null ? Record(key, entry, pass) : Repeat(entry) ?? pass(entry.Inputs, entry.Targets);
    }

    public void Dispose()
    {
        foreach (var entry in _entries.Values)
        {
            entry?.Dispose();
        }
        _entries.Clear();
    }

    private Tensor Record(Key key, Entry entry, Func<ModelInputs, Targets, Tensor> pass)
    {
        Tensor? loss = null;
        entry.Parameters = [.. trainable.Parameters.Select(p => p.Parameter.Value.Storage.Address)];
        entry.GradientsBefore = GradientAddresses();
        entry.Recording = device.Record(() => loss = pass(entry.Inputs, entry.Targets));
        if (!entry.Recording.CanRepeat)
        {
            // The loss may not have been read yet from what was copied into the entry's tensors, but that work is queued before they are freed.
            entry.Dispose();
            _entries[key] = null;
            return loss!;
        }
        entry.Results = [Place.Of(loss!), .. key.Adds ? [] : Gradients().OfType<Tensor>().Select(Place.Of)];
        return loss!;
    }

    private Tensor? Repeat(Entry entry)
    {
        if (!entry.GradientsBefore.AsSpan().SequenceEqual(GradientAddresses()) ||
            !entry.Parameters.AsSpan().SequenceEqual([.. trainable.Parameters.Select(p => p.Parameter.Value.Storage.Address)]) ||
            entry.Recording!.Repeat(entry.Results) is not { } results)
        {
            entry.Recording!.Dispose(); // Something has moved: the next batch is recorded anew.
            entry.Recording = null;
            return null;
        }
        Replayed++;
        int next = 1;
        foreach (var (_, parameter) in results.Length > 1 ? trainable.Parameters : [])
        {
            GradientEdge.Of(parameter.Value)!.Gradient = results[next++];
        }
        return results[0];
    }

    private IEnumerable<Tensor?> Gradients() => trainable.Parameters.Select(p => p.Parameter.Gradient);

    private nint[] GradientAddresses() => [.. Gradients().Select(gradient => gradient?.Storage.Address ?? 0)];
}
