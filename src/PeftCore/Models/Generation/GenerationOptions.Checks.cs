namespace PeftCore.Models.Generation;

public sealed partial record GenerationOptions
{
    private const float LeastTemperature = 1e-30f;

    /// <summary>Checks the range of every option and that no two contradict each other.</summary>
    /// <param name="canDecode">Whether there is a decoder from tokens to text.</param>
    /// <param name="vocabulary">Tokens of the model's vocabulary.</param>
    /// <exception cref="BadInputException">An option is out of range, or contradicts another.</exception>
    internal void Check(bool canDecode, int vocabulary)
    {
        if (KvCacheDType is { } dtype)
        {
            KvCache.CheckDType(dtype);
        }
        Require(MaxNewTokens > 0, "max_new_tokens", MaxNewTokens, "at least 1");
        // A smaller divisor overflows.
        Require(float.IsFinite(Temperature) && Temperature is 0 or >= LeastTemperature, "temperature", Temperature,
            "that is 0, for the likeliest token, or at least 1e-30");
        Require(TopK >= 0, "top_k", TopK, "at least 0");
        Require(TopP is > 0 and <= 1, "top_p", TopP, "above 0 and at most 1");
        Require(MinP is >= 0 and <= 1, "min_p", MinP, "between 0 and 1");
        Require(TypicalP is > 0 and <= 1, "typical_p", TypicalP, "above 0 and at most 1");
        Require(float.IsFinite(RepetitionPenalty) && RepetitionPenalty > 0, "repetition_penalty", RepetitionPenalty, "above 0");
        Require(double.IsFinite(LengthPenalty), "length_penalty", LengthPenalty, "that is finite");
        Require(NoRepeatNgramSize >= 0, "no_repeat_ngram_size", NoRepeatNgramSize, "at least 0");
        Require(EncoderNoRepeatNgramSize >= 0, "encoder_no_repeat_ngram_size", EncoderNoRepeatNgramSize, "at least 0");
        Require(MinLength >= 0, "min_length", MinLength, "at least 0");
        Require(MinNewTokens >= 0, "min_new_tokens", MinNewTokens, "at least 0");
        Require(MaxLength is null or > 0, "max_length", MaxLength ?? 0, "at least 1");
        CheckBeams();
        CheckStops(canDecode);
        CheckTokens(vocabulary);
    }

    private void CheckBeams()
    {
        Require(NumBeams > 0, "num_beams", NumBeams, "at least 1");
        Require(NumReturnSequences > 0, "num_return_sequences", NumReturnSequences, "at least 1");
        if (NumReturnSequences > NumBeams)
        {
            throw new BadInputException($"num_return_sequences is {NumReturnSequences}, but num_beams {NumBeams} finds no more than " +
                $"{NumBeams}; raise num_beams, or sample several times with other seeds");
        }
        if (NumBeams > 1 && Temperature > 0)
        {
            throw new BadInputException($"num_beams is {NumBeams} and temperature {Temperature}, but beam search looks for the likeliest " +
                "text and draws none; set num_beams to 1, or temperature to 0");
        }
    }

    private void CheckStops(bool canDecode)
    {
        if (StopStrings.Count > 0 && !canDecode)
        {
            throw new ArgumentException("stop strings can only be found with a decoder from tokens to text", nameof(canDecode));
        }
        if (StopStrings.Contains(""))
        {
            throw new BadInputException("a stop string is empty, which would end every text before it begins; leave it out");
        }
        if (MinNewTokens > MaxNewTokens)
        {
            throw new BadInputException($"min_new_tokens is {MinNewTokens}, but max_new_tokens allows {MaxNewTokens}; lower the one or " +
                "raise the other");
        }
    }

    private void CheckTokens(int vocabulary)
    {
        Check("forced_bos_token_id", ForcedBosTokenId is { } first ? [first] : []);
        Check("forced_eos_token_id", ForcedEosTokenId is { } last ? [last] : []);
        Check("bad_words_ids", BadWords.SelectMany(word => word));
        if (BadWords.Any(word => word.Count == 0))
        {
            throw new BadInputException("bad_words_ids has a word without tokens; leave it out");
        }

        void Check(string name, IEnumerable<int> tokens)
        {
            foreach (int token in tokens.Where(token => (uint)token >= (uint)vocabulary))
            {
                throw new BadInputException($"{name} names token {token}, but the model's vocabulary has {vocabulary}");
            }
        }
    }

    private static void Require<T>(bool holds, string name, T found, string expected)
        where T : IFormattable
    {
        if (!holds)
        {
            string text = found.ToString(null, System.Globalization.CultureInfo.InvariantCulture);
            throw new BadInputException($"{name} is {text}, expected a number {expected}");
        }
    }
}
