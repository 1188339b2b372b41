namespace PeftCore.Tokenizers;

/// <summary>Members, items, slices and iteration of values.</summary>
internal static class JinjaMembers
{
    /// <summary>value.name: an attribute, else the item of that name.</summary>
    public static object? Attribute(object? value, string name, JinjaRun run)
    {
        object? found = OwnAttribute(value, name, run);
        return !ReferenceEquals(found, JinjaMissing.Value) ? found : ItemOrMissing(value, name) is var item && item != JinjaMissing.Value
            ? item
            : new JinjaUndefined(() => $"{JinjaText.Describe(value)} has no '{name}'");
    }

    /// <summary>The attribute that Python finds, without the items; <see cref="JinjaMissing"/> if there is none.</summary>
    public static object? OwnAttribute(object? value, string name, JinjaRun run)
    {
        switch (value)
        {
            case JinjaUndefined undefined:
                throw undefined.Raise();
            case JinjaNamespace space:
                return space.Members.TryGet(name, out object? member) ? member : JinjaMissing.Value;
            case JinjaLoop loop:
                return loop.Member(name, run);
            case JinjaFunction { Members: { } members }:
                return members.TryGet(name, out object? part) ? part : JinjaMissing.Value;
            default:
                return JinjaMethods.Find(value, name);
        }
    }

    /// <summary>value[index].</summary>
    public static object? Item(object? value, object? index, JinjaRun run)
    {
        if (value is JinjaUndefined undefined)
        {
            throw undefined.Raise();
        }

        run.Read(value);
        object? item = ItemOrMissing(value, index);
        if (item == JinjaMissing.Value && JinjaText.IsText(index))
        {
            item = OwnAttribute(value, JinjaText.Str(index), run);
        }

        return item != JinjaMissing.Value ? item : new JinjaUndefined(() =>
            $"{JinjaText.Describe(value)} has no item {JinjaText.Describe(index)}");
    }

    public static object Slice(object? value, object? start, object? stop, object? step, JinjaRun run)
    {
        long count = value switch
        {
            JinjaUndefined undefined => throw undefined.Raise(),
            List<object?> list => list.Count,
            string or JinjaMarkup => CodePoints.Count(JinjaText.Str(value)),
            JinjaRange range => range.Count,
            _ => throw JinjaError.Of($"{JinjaText.Describe(value)} cannot be sliced"),
        };
        run.Read(value);
        long by = Bound(step) ?? 1;
        if (by == 0)
        {
            throw JinjaError.Of("a slice has a step of zero");
        }

        by = Math.Clamp(by, -int.MaxValue, int.MaxValue);
        var (low, high) = by > 0 ? (0L, count) : (-1L, count - 1);
        long first = Bound(start) is { } s ? Math.Clamp(s < 0 ? s + count : s, low, high) : by > 0 ? low : high;
        long last = Bound(stop) is { } e ? Math.Clamp(e < 0 ? e + count : e, low, high) : by > 0 ? high : low;
        if (value is JinjaRange whole)
        {
            return new JinjaRange(whole[first], whole[last], whole.Step * by);
        }

        if (by == 1 && value is not List<object?>)
        {
            return Like(value, JinjaStrings.Slice(JinjaText.Str(value), first, last));
        }

        if (value is not (List<object?> or JinjaMarkup) && !CodePoints.HasSurrogates((string)value!))
        {
            return run.Made(JinjaStrings.Pick((string)value, first, last, by));
        }

        var items = value as List<object?> ?? JinjaStrings.Characters(JinjaText.Str(value)).ToList();
        run.Spend(items.Count);
        var result = value is JinjaTuple ? new JinjaTuple() : new List<object?>();
        for (long i = first; by > 0 ? i < last : i > last; i += by)
        {
            result.Add(items[(int)i]);
        }

        return value is List<object?> ? result : Like(value, string.Concat(result));
    }

    /// <summary>What a loop over the value gives, one by one.</summary>
    public static IEnumerable<object?> Iterate(object? value, JinjaRun run)
    {
        var items = ItemsOf(value) ?? throw JinjaError.Of($"{JinjaText.Describe(value)} cannot be iterated");
        return Counted(items, run);
    }

    public static List<object?> ToList(object? value, JinjaRun run) => [.. Iterate(value, run)];

    public static IEnumerable<object?>? ItemsOf(object? value) => value switch
    {
        List<object?> list => list,
        string or JinjaMarkup => JinjaStrings.Characters(JinjaText.Str(value)),
        JinjaDict dict => dict.Items.Select(i => i.Key),
        JinjaDictView view => view.Items,
        JinjaRange range => range.Items,
        JinjaIterator iterator => iterator.Remaining(),
        JinjaUndefined => [],
        _ => null,
    };

    /// <summary>The length, or null for what has none.</summary>
    public static long? Length(object? value) => value switch
    {
        string or JinjaMarkup => CodePoints.Count(JinjaText.Str(value)),
        List<object?> list => list.Count,
        JinjaDict dict => dict.Count,
        JinjaDictView view => view.Dict.Count,
        JinjaRange range => range.Count,
        JinjaUndefined => 0,
        JinjaLoop loop => loop.Length,
        _ => null,
    };

    /// <summary>Text marked as safe where the model is.</summary>
    public static object Like(object? model, string text) => model is JinjaMarkup ? new JinjaMarkup(text) : text;

    private static IEnumerable<object?> Counted(IEnumerable<object?> items, JinjaRun run)
    {
        foreach (object? item in items)
        {
            run.Step();
            yield return item;
        }
    }

    private static object? ItemOrMissing(object? value, object? index)
    {
        switch (value)
        {
            case JinjaDict dict:
                return JinjaDict.IsKey(index) && dict.TryGet(index, out object? item) ? item : JinjaMissing.Value;
            case List<object?> or string or JinjaMarkup or JinjaRange when index is long or bool:
                long count = Length(value)!.Value;
                long at = index is long number ? number : index is true ? 1 : 0;
                at = at < 0 ? at + count : at;
                return at < 0 || at >= count ? JinjaMissing.Value : value switch
                {
                    List<object?> list => list[(int)at],
                    JinjaRange range => range[at],
                    _ => Like(value, JinjaStrings.Slice(JinjaText.Str(value), at, at + 1)),
                };
            default:
                return JinjaMissing.Value;
        }
    }

    private static long? Bound(object? value) => value switch
    {
        null => null,
        long number => number,
        bool flag => flag ? 1 : 0,
        System.Numerics.BigInteger big => big.Sign < 0 ? long.MinValue / 4 : long.MaxValue / 4,
        JinjaUndefined undefined => throw undefined.Raise(),
        _ => throw JinjaError.Of($"a slice has the bound {JinjaText.Describe(value)}"),
    };
}
