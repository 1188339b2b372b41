using System.Text.Json;
using Parquet;
using Parquet.Schema;

namespace PeftCore.Cli.Session;

/// <summary>A field of a Parquet schema with the columns below it; writes the field's value of one row after the other as JSON.</summary>
internal sealed class ParquetTree
{
    private readonly Field _field;
    private readonly ParquetTree[] _children = [];
    private readonly ParquetColumn[] _columns;

    private ParquetTree(Field field, Dictionary<string, ParquetColumn> columns)
    {
        _field = field;
        _children = field switch
        {
            StructField structure => [.. structure.Fields.Select(child => new ParquetTree(child, columns))],
            ListField list => [new ParquetTree(list.Item, columns)],
            DataField => [],
            _ => throw new NotSupportedException($"the column {field.Name} is a map"),
        };
        _columns = field is DataField ? [columns[field.Path.ToString()]] : [.. _children.SelectMany(child => child._columns)];
    }

    public string Name => _field.Name;

    public static async Task<ParquetTree[]> ReadAsync(ParquetSchema schema, ParquetRowGroupReader group)
    {
        var columns = new Dictionary<string, ParquetColumn>(StringComparer.Ordinal);
        foreach (var field in schema.GetDataFields())
        {
            columns[field.Path.ToString()] = await ParquetColumn.ReadAsync(group, field).ConfigureAwait(false);
        }
        return [.. schema.Fields.Select(field => new ParquetTree(field, columns))];
    }

    /// <summary>Writes the value of the next row, or of the next item of a list.</summary>
    public void Write(Utf8JsonWriter json)
    {
        int level = _field.MaxDefinitionLevel, defined = _columns[0].Definition;
        switch (_field)
        {
            case DataField { IsArray: false }:
                _columns[0].Write(json);
                break;
            case StructField when defined >= level:
                json.WriteStartObject();
                foreach (var child in _children)
                {
                    json.WritePropertyName(child.Name);
                    child.Write(json);
                }
                json.WriteEndObject();
                break;
            // The level of a list is that of its items: one less is an empty list, two less a null.
            case not StructField when defined >= level - 1:
                WriteItems(json, isEmpty: defined < level);
                break;
            default:
                json.WriteNullValue();
                Skip();
                break;
        }
    }

    private void WriteItems(Utf8JsonWriter json, bool isEmpty)
    {
        json.WriteStartArray();
        if (isEmpty)
        {
            Skip();
        }
        else
        {
            do
            {
                WriteItem(json);
            }
            while (_columns[0].Repetition >= _field.MaxRepetitionLevel);
        }
        json.WriteEndArray();
    }

    private void WriteItem(Utf8JsonWriter json)
    {
        if (_children is [var item])
        {
            item.Write(json);
        }
        else
        {
            _columns[0].Write(json);
        }
    }

    private void Skip()
    {
        foreach (var column in _columns)
        {
            column.Skip();
        }
    }
}
