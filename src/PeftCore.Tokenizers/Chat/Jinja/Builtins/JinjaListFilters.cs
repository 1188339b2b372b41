namespace PeftCore.Tokenizers;

/// <summary>Filters of lists and dictionaries.</summary>
internal static class JinjaListFilters
{
    public static IEnumerable<JinjaBuiltin> All { get; } =
    [
        new("length", "", (value, _, _) => Length(value)),
        new("count", "", (value, _, _) => Length(value)),
        new("join", "d= attribute=", Join),
        new("list", "", (value, _, run) => JinjaMembers.ToList(value, run)),
        new("first", "", (value, _, run) => First(JinjaMembers.Iterate(value, run), "the first of nothing")),
        new("last", "", (value, _, run) => First(Backwards(value, run), "the last of nothing")),
        new("reverse", "", Reverse),
        new("items", "", (value, _, _) => new JinjaIterator("items", value is JinjaUndefined ? []
            : value is JinjaDict dict ? new JinjaDictView(dict, "items").Items
            : Fail($"items needs a dictionary, not {JinjaText.Describe(value)}"))),
        new("unique", "case_sensitive= attribute=", (value, given, run) => new JinjaIterator("unique", Unique(value, given, run))),
        new("sort", "reverse= case_sensitive= attribute=", Sort),
        new("min", "case_sensitive= attribute=", (value, given, run) => Extreme(value, given, "<", run)),
        new("max", "case_sensitive= attribute=", (value, given, run) => Extreme(value, given, ">", run)),
        new("sum", "attribute= start=", Sum),
        new("dictsort", "case_sensitive= by= reverse=", DictSort),
        new("groupby", "attribute default= case_sensitive=", GroupBy),
        new("batch", "linecount fill_with=", (value, given, run) => new JinjaIterator("batch", Batch(value, given, run))),
        new("slice", "slices fill_with=", (value, given, run) => new JinjaIterator("slice", Slice(value, given, run))),
        new("random", "", (_, _, _) => throw JinjaError.Of("it uses the filter random, whose result nobody can reproduce")),
    ];

    private static IEnumerable<object?> Fail(string why) => throw JinjaError.Of(why);

    private static object Length(object? value) =>
        JinjaMembers.Length(value) ?? throw JinjaError.Of($"{JinjaText.Describe(value)} has no length");

    private static object Join(object? value, JinjaGiven given, JinjaRun run)
    {
        object? separator = given.Get(0, "");
        var path = new JinjaPath(given.Get(1, null));
        var items = JinjaMembers.Iterate(value, run).Select(i => path.Find(i, run)).ToList();
        bool safe = run.AutoEscape && (separator is JinjaMarkup || items.Exists(i => i is JinjaMarkup));
        string Part(object? part) => safe ? JinjaHtml.Escape(part).Text : JinjaText.Str(part);
        string text = Part(separator);
        foreach (object? item in items)
        {
            run.Spend(text.Length);
        }

        string joined = string.Join(text, items.Select(i => i is string or JinjaMarkup ? Part(i) : run.Made(Part(i))));
        return safe ? (object)new JinjaMarkup(joined) : joined;
    }

    private static object? First(IEnumerable<object?> items, string why)
    {
        foreach (object? item in items)
        {
            return item;
        }

        return new JinjaUndefined(why);
    }

    private static IEnumerable<object?> Backwards(object? value, JinjaRun run) => value is JinjaIterator or JinjaLoop
        ? throw JinjaError.Of($"{JinjaText.Describe(value)} cannot be read backwards; |list makes a list of it")
        : JinjaText.IsText(value) ? JinjaStrings.Characters(JinjaStrings.Reverse(JinjaText.Str(value)))
        : Enumerable.Reverse(JinjaMembers.ToList(value, run));

    private static object Reverse(object? value, JinjaGiven given, JinjaRun run) => value switch
    {
        string or JinjaMarkup => JinjaMembers.Like(value, JinjaStrings.Reverse(JinjaText.Str(value))),
        JinjaIterator => Enumerable.Reverse(JinjaMembers.ToList(value, run)).ToList(),
        _ => new JinjaIterator("reverse", Backwards(value, run)),
    };

    private static IEnumerable<object?> Unique(object? value, JinjaGiven given, JinjaRun run)
    {
        var path = new JinjaPath(given.Get(1, null), fold: !given.Flag(0));
        var seen = new JinjaDict();
        foreach (object? item in JinjaMembers.Iterate(value, run))
        {
            object? key = path.Find(item, run);
            if (!seen.TryGet(key, out _))
            {
                seen[key] = null;
                yield return item;
            }
        }
    }

    private static object Sort(object? value, JinjaGiven given, JinjaRun run)
    {
        object? attribute = given.Get(2, null);
        var paths = (JinjaText.IsText(attribute) ? JinjaText.Str(attribute).Split(',').ToArray<object?>() : [attribute])
            .Select(a => new JinjaPath(a, fold: !given.Flag(1))).ToList();
        var keyed = JinjaMembers.Iterate(value, run)
            .Select(item => (Key: paths.Select(p => p.Find(item, run)).ToList(), Item: item)).ToList();
        return JinjaSort.Sort(keyed, (a, b) => JinjaOperators.IsLess(a.Key, b.Key, run), given.Flag(0)).Select(k => k.Item).ToList();
    }

    private static object? Extreme(object? value, JinjaGiven given, string better, JinjaRun run)
    {
        var path = new JinjaPath(given.Get(1, null), fold: !given.Flag(0));
        object? best = new JinjaUndefined("the least or greatest of nothing");
        object? bestKey = JinjaMissing.Value;
        foreach (object? item in JinjaMembers.Iterate(value, run))
        {
            object? key = path.Find(item, run);
            if (ReferenceEquals(bestKey, JinjaMissing.Value) || JinjaOperators.Compare(better, key, bestKey, run))
            {
                (best, bestKey) = (item, key);
            }
        }

        return best;
    }

    private static object? Sum(object? value, JinjaGiven given, JinjaRun run)
    {
        var path = new JinjaPath(given.Get(0, null));
        object? start = given.Get(1, 0L);
        return JinjaText.IsText(start)
            ? throw JinjaError.Of("sum does not add strings; join does")
            : JinjaMembers.Iterate(value, run).Aggregate(start, (sum, item) => JinjaOperators.Binary("+", sum, path.Find(item, run), run));
    }

    private static object DictSort(object? value, JinjaGiven given, JinjaRun run)
    {
        string by = given.Get(1, "key") is var choice && JinjaText.IsText(choice) ? JinjaText.Str(choice) : "";
        if (by is not ("key" or "value"))
        {
            throw JinjaError.Of("dictsort sorts by key or value");
        }

        if (value is not JinjaDict dict)
        {
            throw JinjaText.Refuse(value, "dictsort needs a dictionary");
        }

        bool fold = !given.Flag(0);
        var items = dict.Items.Select(i => (Key: JinjaPath.Fold(by == "key" ? i.Key : i.Value, fold), Item: i)).ToList();
        return JinjaSort.Sort(items, (a, b) => JinjaOperators.IsLess(a.Key, b.Key, run), given.Flag(2))
            .Select(i => (object?)new JinjaTuple([i.Item.Key, i.Item.Value])).ToList();
    }

    private static object GroupBy(object? value, JinjaGiven given, JinjaRun run)
    {
        object? missing = given.Get(1, null);
        bool fold = !given.Flag(2);
        var path = new JinjaPath(given[0], fold, missing);
        var plain = new JinjaPath(given[0], fold: false, missing);
        var keyed = JinjaMembers.Iterate(value, run).Select(item => (Key: path.Find(item, run), Item: item)).ToList();
        var groups = new List<object?>();
        object? last = JinjaMissing.Value;
        foreach (var (key, item) in JinjaSort.Sort(keyed, (a, b) => JinjaOperators.IsLess(a.Key, b.Key, run), reverse: false))
        {
            if (groups.Count == 0 || !JinjaOperators.AreEqual(last, key, run))
            {
                last = key;
                groups.Add(new JinjaGroup(fold ? plain.Find(item, run) : key, []));
            }

            ((List<object?>)((JinjaGroup)groups[^1]!)[1]!).Add(item);
        }

        return groups;
    }

    private static IEnumerable<object?> Batch(object? value, JinjaGiven given, JinjaRun run)
    {
        object? size = given[0];
        var batch = new List<object?>();
        foreach (object? item in JinjaMembers.Iterate(value, run))
        {
            if (JinjaOperators.AreEqual((long)batch.Count, size, run))
            {
                yield return batch;
                batch = [];
            }

            batch.Add(item);
        }

        if (batch.Count > 0)
        {
            if (given.Get(1, null) is { } filler && JinjaOperators.IsLess((long)batch.Count, size, run))
            {
                run.Spend(given.Integer(0));
                batch.AddRange(Enumerable.Repeat(filler, (int)given.Integer(0) - batch.Count));
            }

            yield return batch;
        }
    }

    /// <summary>What an empty list costs, in characters.</summary>
    private const int ListCost = 16;

    private static IEnumerable<object?> Slice(object? value, JinjaGiven given, JinjaRun run)
    {
        var items = JinjaMembers.ToList(value, run);
        long slices = given.Integer(0);
        if (slices == 0)
        {
            throw JinjaError.Of("slice makes no slices");
        }

        run.Spend(Math.Max(0, Math.Min(slices, int.MaxValue) * ListCost));
        var (size, extra) = slices < 0 ? (0, 0) : Math.DivRem(items.Count, (int)Math.Min(slices, int.MaxValue));
        int at = 0;
        for (int i = 0; i < slices; i++)
        {
            var slice = items.GetRange(at, size + (i < extra ? 1 : 0));
            at += slice.Count;
            if (given.Get(1, null) is { } filler && i >= extra)
            {
                slice.Add(filler);
            }

            yield return slice;
        }
    }
}
