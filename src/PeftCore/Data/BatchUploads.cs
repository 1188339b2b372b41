using PeftCore.Models;

namespace PeftCore.Data;

/// <summary>Uploads batches as the inputs and targets of a model.</summary>
internal static class BatchUploads
{
    extension(Batch batch)
    {
        /// <summary>The inputs of a model, uploaded.</summary>
        public ModelInputs ToInputs(TransformerModel model)
        {
            bool isText = model.Task == ModelTask.CausalLm;
            return model.ToInputs(new InputArrays
            {
                Ids = batch.InputIds,
                BatchSize = batch.BatchSize,
                Mask = isText ? null : batch.Mask(), // Padding is on the right, where causal attention does not see it.
                Tokens = isText && model.ReadsPadding ? batch.Mask() : null,
                Positions = isText ? batch.Positions : null,
                Ranges = isText ? batch.CausalRanges : null,
                TokenTypes = batch.TypeIds,
                Labels = batch.DecoderLabels,
                Tasks = batch.TaskIds,
                Pixels = batch.Pixels?.Array,
                EncoderStates = batch.EncoderStates?.Array,
                Timesteps = batch.Timesteps,
                Classes = batch.Classes?.Array,
                Sound = batch.Sound?.Array,
                SoundLengths = batch.Sound is { MarksPadding: true } ? batch.Sound.Lengths : null,
                Boxes = batch.Boxes,
            });
        }

        /// <summary>The targets of a model, uploaded.</summary>
        /// <param name="model">The model.</param>
        /// <param name="denominator">The denominator of the sum of losses; null for <see cref="Batch.TrainableTokens"/>.</param>
        /// <exception cref="BadInputException">The batch has no target.</exception>
        public Targets ToTargets(TransformerModel model, int? denominator = null) => model.Task switch
        {
            ModelTask.NoisePrediction when batch.Scores is { } noise => model.ToTargets(noise, batch.BatchSize, denominator),
            ModelTask.CausalLm => Models.Targets.FromShifted(model.Backend, batch.Targets, batch.TrainableTokens, batch.BatchSize,
                denominator),
            ModelTask.SequenceClassification or ModelTask.ImageClassification when batch.Scores is { } scores =>
                model.ToTargets(scores, batch.BatchSize, denominator),
            ModelTask.SequenceClassification or ModelTask.ImageClassification => model.ToTargets(!batch.ClassLabels.Contains(-1)
                ? batch.ClassLabels : Array.ConvertAll(batch.ClassLabels, label => label < 0 ? Example.Masked : label), batch.BatchSize,
                denominator),
            ModelTask.FeatureExtraction or ModelTask.Contrastive =>
                model.ToTargets([.. Enumerable.Range(0, batch.BatchSize / batch.Parts)], batch.BatchSize / batch.Parts, denominator),
            ModelTask.QuestionAnswering when batch.Spans is { } spans => model.ToTargets(spans, batch.BatchSize, denominator),
            ModelTask.Seq2SeqLm or ModelTask.SpeechToText or ModelTask.Ctc when batch.DecoderLabels is { } labels =>
                model.ToTargets(labels, batch.BatchSize, denominator),
            _ => model.ToTargets(batch.Labels, batch.BatchSize, denominator),
        };

        /// <summary>1 for tokens, 0 for padding; null without padding.</summary>
        private int[]? Mask() // (B, T)
        {
            if (batch.Tokens == batch.InputIds.Length)
            {
                return null;
            }
            int[] mask = new int[batch.InputIds.Length];
            for (int row = 0; row < batch.BatchSize; row++)
            {
                mask.AsSpan(row * batch.Length, batch.Lengths[row]).Fill(1);
            }
            return mask;
        }
    }
}
