using PeftCore.Autograd;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>Attaches adapters, including those whose LoRA initialisation reads data (EVA, CorDA, LoRA-GA).</summary>
public static class LoraCalibration
{
    /// <summary>Whether a configuration needs data before it can be attached.</summary>
    public static bool NeedsData(PeftConfig config) => config is LoraConfig { Init.NeedsData: true };

    /// <summary>Attaches a new adapter and makes it the only active one, as <see cref="PeftModel.AddAdapter"/> does; if its initialisation
    /// needs data, first runs them through the model: one forward pass, or for LoRA-GA one forward and backward pass per layer.</summary>
    /// <param name="model">The model, without adapters.</param>
    /// <param name="config">The configuration.</param>
    /// <param name="batches">The data; read only if the initialisation needs them. EVA and CorDA leave out padding, and EVA also the tokens
    /// whose labels are masked, unless <see cref="Calibration.UseLabelMask"/> is off.</param>
    /// <param name="seed">Seed of the random initialisation.</param>
    /// <param name="progress">Called with the number of finished batches.</param>
    /// <param name="cancel">Cancels between two batches.</param>
    /// <exception cref="BadInputException">There are no data, or too few for the rank.</exception>
    public static void Attach(PeftModel model, PeftConfig config, IEnumerable<Batch> batches, ulong seed = 0, Action<int>? progress = null,
        CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (config is not LoraConfig { Init.NeedsData: true } lora)
        {
            model.AddAdapter(config, seed: seed);
            return;
        }
        List<Batch> data = [.. batches];
        RefuseTooFew(lora, data, Batch.TargetCount(data), Masks(lora, model));
        var mode = model.Base.Mode;
        bool training = mode.Training;
        mode.Training = false; // Dropout would add noise to the statistics.
        int done = 0;
        try
        {
            model.AddCalibratedAdapter(lora, () =>
            {
                foreach (var batch in data)
                {
                    cancel.ThrowIfCancellationRequested();
                    Look(model, batch, lora);
                    progress?.Invoke(++done);
                }
            }, seed: seed);
        }
        finally
        {
            mode.Training = training;
        }
    }

    /// <summary>Throws if there are fewer tokens than the rank, because their covariance then has too few directions.</summary>
    private static void RefuseTooFew(LoraConfig config, List<Batch> data, int targets, bool masks)
    {
        string init = config.InitName;
        int tokens = data.Sum(batch => masks ? batch.TrainableTokens : batch.Tokens),
            rank = Math.Max(config.Rank, config.RankPattern.Select(pattern => pattern.Value).DefaultIfEmpty().Max());
        if (config.Init == LoraInit.LoraGa && targets == 0)
        {
            throw new BadInputException(
                $"{init} takes gradients over training data, but there is no token to learn in them: they are empty, or every label is " +
                "masked");
        }
        if (config.Init != LoraInit.LoraGa && tokens <= rank)
        {
            throw new BadInputException(
                $"{init} with rank {rank} looks at more than {rank} tokens of training " +
                $"data{(masks ? " that are learned" : "")}, but there are {tokens}; add data, or lower the rank");
        }
    }

    /// <summary>Whether tokens with masked labels are left out. Other tasks than a decoder's have no label for each token.</summary>
    private static bool Masks(LoraConfig config, PeftModel model) =>
        config is { Init: LoraInit.Eva, Calibration.UseLabelMask: true } && model.Base.Task == ModelTask.CausalLm;

    private static void Look(PeftModel model, Batch batch, LoraConfig config)
    {
        var backend = model.Base.Backend;
        if (config.Init != LoraInit.LoraGa)
        {
            foreach (var row in Rows(batch))
            {
                using var scope = new TensorScope();
                int[] learned = [.. Enumerable.Range(0, row.Labels.Length).Where(i => row.Labels[i] != Example.Masked)];
                if (Masks(config, model))
                {
                    model.Set.Observer!.Only = learned;
                }
                if (!Masks(config, model) || learned.Length > 0)
                {
                    model.Base.Logits(row.ToInputs(model.Base));
                }
            }
        }
        else if (batch.TrainableTokens > 0)
        {
            using var scope = new TensorScope();
            using var tape = new Tape();
            tape.Backward(model.Base.Loss(batch.ToInputs(model.Base), batch.ToTargets(model.Base)));
        }
    }

    /// <summary>A batch without padding: the batch itself, or its rows one by one.</summary>
    private static IEnumerable<Batch> Rows(Batch batch)
    {
        if (!batch.HasPadding)
        {
            yield return batch;
            yield break;
        }
        for (int row = 0; row < batch.BatchSize; row++)
        {
            yield return batch.Row(row);
        }
    }
}
