using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;
using PeftCore.Tokenizers;

namespace PeftCore.Models.Generation;

/// <summary>Generates the text of spectrograms with Whisper: after the tokens of language and task, with the suppressed tokens
/// and the rules
/// of timestamps that the model's files name.</summary>
/// <param name="model">The model.</param>
/// <param name="prompt">The tokens before a text.</param>
/// <param name="tokenizer">The model's tokenizer.</param>
/// <param name="options">Beams, suppressed tokens and others.</param>
internal sealed class SpeechWriter(Seq2SeqModel model, SpeechPrompt prompt, Tokenizer tokenizer, GenerationOptions options)
{
    private readonly GenerationOptions _options = options with { StopTokens = [.. options.StopTokens, .. tokenizer.StopIds] };

    private int Start => _options.DecoderStartTokenId ?? model.DecoderStartToken;

    /// <summary>Writes texts.</summary>
    /// <param name="clips">The spectrogram of each, (1, bins, frames).</param>
    /// <param name="prompts">The tokens after the start token of each.</param>
    /// <param name="timestamps">Whether the texts have timestamps.</param>
    /// <param name="cancel">Ends the texts after the current token.</param>
    public IReadOnlyList<GenerationResult> Write(IReadOnlyList<DenseArray> clips, IReadOnlyList<int[]> prompts, bool timestamps,
        CancellationToken cancel)
    {
        _options.Check(canDecode: false, model.VocabularySize);
        var rules = !timestamps ? null : new TimestampRules(prompt.NoTimestamps!.Value, prompt.MaxInitialTimestamp,
            _options.StopTokens.Count > 0 ? _options.StopTokens.First() : throw new BadInputException(
                $"{prompt.Source}: no end-of-text token is known, which timestamps need; name eos_token_id."));
        TextRequest[] requests = [.. clips.Zip(prompts, (clip, tokens) =>
        {
            int[] before = [Start, .. tokens];
            Generator.CheckPrompt(model, before);
            var request = new TextRequest(before, _options, model.MaxLength - before.Length) { Sound = clip, Timestamps = rules };
            request.CheckLengths();
            return request;
        })];
        return Generator.Run(model, model.Backend, requests, cancel);
    }

    /// <summary>The language that the model hears: the likeliest token of a language after the start token.</summary>
    public int LanguageOf(DenseArray clip)
    {
        using var scope = new TensorScope();
        var arrays = new InputArrays { BatchSize = 1, Sound = clip, Labels = [Start] };
        float[] logits = Tape.NoGrad(() => model.Logits(model.ToInputs(arrays)).ToFloats());
        return prompt.Languages.Values.Where(id => id < logits.Length).MaxBy(id => logits[id]);
    }

    /// <summary>The text of tokens.</summary>
    /// <param name="tokens">The tokens.</param>
    /// <param name="start">The time of the spectrogram's start in seconds, for a line with the times of each piece; null for the text
    /// alone.</param>
    public string TextOf(IReadOnlyList<int> tokens, double? start)
    {
        int first = prompt.FirstTimestamp ?? int.MaxValue;
        if (start is not { } zero)
        {
            return tokenizer.Decode([.. tokens.Where(token => token < first)]).Trim();
        }
        var lines = new List<string>();
        var piece = new List<int>();
        double begin = zero;
        foreach (int token in tokens)
        {
            if (token < first)
            {
                piece.Add(token);
                continue;
            }
            double time = zero + (token - first) * TimestampRules.Step;
            Add(time);
            begin = time;
        }
        Add(null);
        return string.Join(Environment.NewLine, lines);

        void Add(double? end)
        {
            string text = tokenizer.Decode([.. piece]).Trim();
            piece.Clear();
            if (text.Length > 0)
            {
                lines.Add(FormattableString.Invariant($"[{begin:0.00} – {end:0.00}] {text}"));
            }
        }
    }
}
