using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>Forward and backward passes over batches of a shape that was seen before, recorded once and replayed: the host then only copies
/// the batch. The first batch of a shape runs as ever, so that everything is loaded; the second is recorded. Between passes a recording
/// holds no memory: what it reads and what it leaves behind is taken again where it lay, and if something else is there now, the pass runs
/// as ever and the next one is recorded anew.</summary>
/// <param name="backend">The device.</param>
/// <param name="device">The same.</param>
/// <param name="trainable">What trains.</param>
/// <param name="pass">The pass itself: returns the loss outside of every scope.</param>
/// <param name="plain">The pass over a batch as it runs without recordings.</param>
internal sealed class CapturedStep(IBackend backend, IGraphCapture device, ITrainable trainable, Func<ModelInputs, Targets, Tensor> pass,
    Func<Batch, int, Tensor> plain) : IDisposable
{
    private readonly Dictionary<Key, CapturedGraph?> _passes = [];

    /// <summary>What a recording depends on beside the batch's numbers.</summary>
    private readonly record struct Key(int Batch, int Length, bool HasRanges, int PickedRows, bool Adds, ulong Seed, string Trains);

    /// <summary>How many passes were replayed.</summary>
    public int Replayed { get; private set; }

    /// <summary>Runs a pass, adding to the parameters' gradients.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="targets">What the sum of losses is divided by.</param>
    /// <returns>The loss, for the caller to dispose.</returns>
    public Tensor Run(Batch batch, int targets)
    {
        if (!device.CanCapture || trainable.ReplayKey is not { } trains)
        {
            return plain(batch, targets);
        }
        var key = new Key(batch.BatchSize, batch.Length, batch.CausalRanges is not null, Targets.PickedRows(batch.Labels, batch.BatchSize),
            Adds,
            trainable.Model.Mode.Seed, trains);
        if (!_passes.TryGetValue(key, out var known))
        {
            if (_passes.Count < device.MaxGraphs)
            {
                _passes.Add(key, new CapturedGraph());
            }
            return plain(batch, targets);
        }
        if (known is null)
        {
            return plain(batch, targets); // It cannot be repeated.
        }
        if (!known.IsRecorded)
        {
            return Record(key, known, batch, targets);
        }
        if (known.Repeat(trainable, batch, targets) is not { } loss)
        {
            known.Dispose();
            return plain(batch, targets);
        }
        Replayed++;
        return loss;
    }

    public void Dispose()
    {
        foreach (var known in _passes.Values)
        {
            known?.Dispose();
        }
        _passes.Clear();
    }

    private bool Adds
    {
        get
        {
            for (int i = 0; i < trainable.Parameters.Count; i++)
            {
                if (trainable.Parameters[i].Parameter.Gradient is not null)
                {
                    return true;
                }
            }
            return false;
        }
    }

    private Tensor Record(Key key, CapturedGraph known, Batch batch, int targets)
    {
        using var scope = new TensorScope();
        var inputs = TrainingStep.Inputs(backend, batch);
        var wanted = Targets.FromLabels(backend, batch.Labels, batch.BatchSize, targets);
        var loss = known.Record(trainable, device, inputs, wanted, pass);
        if (!known.IsRecorded)
        {
            _passes[key] = null;
        }
        return loss;
    }
}
