namespace PeftCore.Training.Metrics;

/// <summary>Precision, recall and F1 of the entities that tags mark, such as B-PER I-PER O, equal to seqeval's default: an entity is
/// correct if its type, start and end are. An entity that begins with I, or whose type changes inside, counts as one that begins
/// there.</summary>
/// <param name="Precision">Correct ones among the predicted entities.</param>
/// <param name="Recall">Predicted ones among the entities.</param>
internal readonly record struct EntityScore(double Precision, double Recall)
{
    private const char Outside = 'O';

    /// <summary>The harmonic mean of precision and recall.</summary>
    public double F1 => Precision + Recall == 0 ? 0 : 2 * Precision * Recall / (Precision + Recall);

    /// <summary>The score of all sentences together.</summary>
    /// <param name="predictions">The predicted tags of each sentence.</param>
    /// <param name="correct">The correct tags of each sentence, as many as predicted.</param>
    public static EntityScore Of(IReadOnlyList<IReadOnlyList<string>> predictions, IReadOnlyList<IReadOnlyList<string>> correct)
    {
        ClassScores.Check(predictions.Count, correct.Count);
        int hits = 0, predicted = 0, real = 0;
        for (int i = 0; i < correct.Count; i++)
        {
            ClassScores.Check(predictions[i].Count, correct[i].Count);
            var (found, expected) = (EntitiesOf(predictions[i]), EntitiesOf(correct[i]));
            (predicted, real) = (predicted + found.Count, real + expected.Count);
            hits += found.Intersect(expected).Count();
        }
        return new EntityScore(predicted == 0 ? 0 : (double)hits / predicted, real == 0 ? 0 : (double)hits / real);
    }

    /// <summary>Whether names of tags mark entities: "O", or a letter of the schemes IOB and IOBES and a type.</summary>
    public static bool MarkEntities(IEnumerable<string> names) => names.All(name => name is "O" or "B" or "I" or "E" or "S"
        || (name.Length > 2 && name[0] is 'B' or 'I' or 'E' or 'S' && name[1] == '-'));

    /// <summary>The entities of a sentence: type, first and last word.</summary>
    public static List<(string Type, int First, int Last)> EntitiesOf(IReadOnlyList<string> tags)
    {
        var entities = new List<(string, int, int)>();
        char before = Outside;
        string typeBefore = "";
        int first = 0;
        for (int i = 0; i <= tags.Count; i++)
        {
            string name = i < tags.Count ? tags[i] : "O";
            char tag = name[0];
            string type = TypeOf(name);
            if (Ends(before, tag, typeBefore, type))
            {
                entities.Add((typeBefore, first, i - 1));
            }
            if (Starts(before, tag, typeBefore, type))
            {
                first = i;
            }
            (before, typeBefore) = (tag, type);
        }
        return entities;
    }

    // What follows the first dash after the letter; "_" if nothing does.
    private static string TypeOf(string name)
    {
        int dash = name.IndexOf('-', 1);
        string type = dash < 0 ? name[1..] : name[(dash + 1)..];
        return type.Length == 0 ? "_" : type;
    }

    private static bool Ends(char before, char tag, string typeBefore, string type) => before switch
    {
        'E' or 'S' => true,
        'B' or 'I' when tag is 'B' or 'S' or Outside => true,
        Outside or '.' => false,
        _ => typeBefore != type,
    };

    private static bool Starts(char before, char tag, string typeBefore, string type) => tag switch
    {
        'B' or 'S' => true,
        'E' or 'I' when before is 'E' or 'S' or Outside => true,
        Outside or '.' => false,
        _ => typeBefore != type,
    };
}
